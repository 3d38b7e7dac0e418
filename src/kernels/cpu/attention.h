// Attention on the CPU; the contract is kernels/attention.h.
//
// attention_forward.cc, attention_backward.cc, attention_decode.cc: the walk
// over tiles. attention_product-inl.h: the products of two tiles.
// attention_rows-inl.h: rows in and out, rotated. attention_plan.h: what they
// share.
#pragma once

#include "kernels/attention.h"
#include "kernels/cpu/context.h"

namespace colossus::kernels::cpu {

void attention_forward(const Context& context, const AttentionForward& args);
void attention_backward(const Context& context, const AttentionBackward& args);
void attention_decode(const Context& context, const AttentionDecode& args);

}  // namespace colossus::kernels::cpu
