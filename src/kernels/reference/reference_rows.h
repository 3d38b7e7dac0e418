// Norms, embedding, head and flat updates of the reference backend; see
// kernels/norm.h, embedding.h, head.h, update.h.
#pragma once

#include "kernels/embedding.h"
#include "kernels/head.h"
#include "kernels/norm.h"
#include "kernels/update.h"

namespace colossus::kernels::reference {

void embedding_forward(const EmbeddingForward& args);
void embedding_backward(const EmbeddingBackward& args);
void rms_norm_forward(const RmsNormForward& args);
void rms_norm_backward(const RmsNormBackward& args);
void residual_norm_forward(const ResidualNormForward& args);
void residual_norm_backward(const ResidualNormBackward& args);
void head_loss(const HeadLoss& args);
void head_logits(const HeadLogits& args);
void add_into(const AddInto& args);
double sum_of_squares(const SumOfSquares& args);
void adamw_update(const AdamWUpdate& args);

}  // namespace colossus::kernels::reference
