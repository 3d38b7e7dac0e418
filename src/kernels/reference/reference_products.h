// Products of the reference backend; see kernels/linear.h.
#pragma once

#include <cstdint>
#include <functional>

#include "kernels/linear.h"

namespace colossus::kernels::reference {

void linear_forward(const LinearForward& args);
void linear_backward_input(const LinearBackwardInput& args);
void linear_backward_weight(const LinearBackwardWeight& args);
void gated_linear_forward(const GatedLinearForward& args);
void gated_linear_backward_input(const GatedLinearBackwardInput& args);

double gelu(double x);
double gelu_gradient(double x);

// Binary tree over `count` (a power of two) terms, distance 1 first.
double tree_sum(int64_t first, int64_t count,
                const std::function<double(int64_t)>& term);

}  // namespace colossus::kernels::reference
