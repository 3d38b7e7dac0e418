// The matrix products of the CPU's backend; kernels/linear.h says what each
// computes. All of them are one scheme: a piece of the output is computed from
// packed blocks of both operands by a tile of registers (linear_tile-inl.h).
//
// An element is one chain of fused multiply-adds in the order of the summed
// index whatever the tiles, blocks, pieces, threads and the instruction set:
// between two blocks the accumulators rest in memory.
#pragma once

#include "kernels/cpu/context.h"
#include "kernels/linear.h"

namespace colossus::kernels::cpu {

void linear_forward(const Context& context, const LinearForward& args);
void linear_backward_input(const Context& context,
                           const LinearBackwardInput& args);
void linear_backward_weight(const Context& context,
                            const LinearBackwardWeight& args);
void gated_linear_forward(const Context& context,
                          const GatedLinearForward& args);
void gated_linear_backward_input(const Context& context,
                                 const GatedLinearBackwardInput& args);

}  // namespace colossus::kernels::cpu
