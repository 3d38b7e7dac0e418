// RMSNorm on the CPU; the contract is kernels/norm.h.
#pragma once

#include "kernels/cpu/context.h"
#include "kernels/norm.h"

namespace colossus::kernels::cpu {

void rms_norm_forward(const Context& context, const RmsNormForward& args);
void rms_norm_backward(const Context& context, const RmsNormBackward& args);
void residual_norm_forward(const Context& context,
                           const ResidualNormForward& args);
void residual_norm_backward(const Context& context,
                            const ResidualNormBackward& args);

}  // namespace colossus::kernels::cpu
