// Routing and mixing of the reference backend; see kernels/router.h.
#pragma once

#include "kernels/router.h"

namespace colossus::kernels::reference {

void router_forward(const RouterForward& args);
void router_dispatch(const RouterDispatch& args);
void router_backward(const RouterBackward& args);
void expert_combine_forward(const ExpertCombineForward& args);
void expert_combine_backward(const ExpertCombineBackward& args);
void expert_input_backward(const ExpertInputBackward& args);

}  // namespace colossus::kernels::reference
