// Attention of the reference backend; see kernels/attention.h.
#pragma once

#include "kernels/attention.h"

namespace colossus::kernels::reference {

void attention_forward(const AttentionForward& args);
void attention_backward(const AttentionBackward& args);
void attention_decode(const AttentionDecode& args);

}  // namespace colossus::kernels::reference
