// The embedding table on the CPU; the contract is kernels/embedding.h.
#pragma once

#include "kernels/cpu/context.h"
#include "kernels/embedding.h"

namespace colossus::kernels::cpu {

void embedding_forward(const Context& context, const EmbeddingForward& args);
void embedding_backward(const Context& context, const EmbeddingBackward& args);

}  // namespace colossus::kernels::cpu
