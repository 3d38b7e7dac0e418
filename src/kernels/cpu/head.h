// The output head and its loss on the CPU; the contract is kernels/head.h.
#pragma once

#include <cstdint>

#include "kernels/cpu/context.h"
#include "kernels/cpu/head_plan.h"
#include "kernels/head.h"

namespace colossus::kernels::cpu {

// As Backend's: see plan_head.
int64_t head_workspace_floats(int64_t num_tokens, int64_t dim,
                              int64_t vocab_size, int64_t num_shards,
                              bool backward);
void head_loss(const Context& context, const HeadLoss& args);
// The same by a plan of the caller's, for which `workspace` suffices.
void head_loss_planned(const Context& context, const HeadLoss& args,
                       const HeadPlan& plan);
void head_logits(const Context& context, const HeadLogits& args);

}  // namespace colossus::kernels::cpu
