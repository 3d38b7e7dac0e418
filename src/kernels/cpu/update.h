// Sums over shards, the norm and AdamW on the CPU; the contract is
// kernels/update.h.
#pragma once

#include "kernels/cpu/context.h"
#include "kernels/update.h"

namespace colossus::kernels::cpu {

void add_into(const Context& context, const AddInto& args);
double sum_of_squares(const Context& context, const SumOfSquares& args);
void adamw_update(const Context& context, const AdamWUpdate& args);

}  // namespace colossus::kernels::cpu
