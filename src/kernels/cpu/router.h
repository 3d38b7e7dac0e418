// The mixture of experts around the expert products, on the CPU; the contract
// is kernels/router.h.
#pragma once

#include "kernels/cpu/context.h"
#include "kernels/router.h"

namespace colossus::kernels::cpu {

void router_forward(const Context& context, const RouterForward& args);
void router_dispatch(const Context& context, const RouterDispatch& args);
void router_backward(const Context& context, const RouterBackward& args);
void expert_combine_forward(const Context& context,
                            const ExpertCombineForward& args);
void expert_combine_backward(const Context& context,
                             const ExpertCombineBackward& args);
void expert_input_backward(const Context& context,
                           const ExpertInputBackward& args);

}  // namespace colossus::kernels::cpu
