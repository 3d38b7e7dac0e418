// The router's own product: some experts only, which the tiles of the other
// products would leave half empty. The bits are those of linear_forward.
#pragma once

#include "kernels/cpu/context.h"
#include "kernels/router.h"

namespace colossus::kernels::cpu {

// Writes logits_RE and nothing else.
void router_logits(const Context& context, const RouterForward& args);

}  // namespace colossus::kernels::cpu
