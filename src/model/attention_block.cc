#include "model/attention_block.h"

#include "kernels/backend.h"
#include "tensor/arena.h"

namespace colossus::model {

AttentionActivations take_attention_activations(const config::ModelConfig& c,
                                                const BatchShape& shape,
                                                tensor::Arena& arena) {
  const int64_t R = shape.num_tokens();
  return {.qkv_RC = arena.take<float>(R * c.qkv_dim(), "activations"),
          .o_RHK = arena.take<float>(R * c.q_dim(), "activations"),
          .lse_BHT = arena.take<float>(R * c.num_q_heads, "activations")};
}

AttentionScratch take_attention_scratch(const config::ModelConfig& c,
                                        const BatchShape& shape,
                                        tensor::Arena& arena) {
  const int64_t R = shape.num_tokens();
  return {.do_RHK = arena.take<float>(R * c.q_dim(), "backward scratch"),
          .dqkv_RC = arena.take<float>(R * c.qkv_dim(), "backward scratch")};
}

// branch = Attention(a Wqkv^T) Wo^T
void attention_block_forward(const BlockContext& x,
                             const kernels::AttentionShape& attention,
                             const AttentionWeights& w, const float* a_RD,
                             const AttentionActivations& act,
                             float* branch_RD) {
  const int64_t R = x.shape.num_tokens();
  x.backend.linear_forward({.rows = R,
                            .in_dim = x.config.model_dim,
                            .out_dim = x.config.qkv_dim(),
                            .x_RI = a_RD,
                            .w_OI = w.qkv_CD,
                            .y_RO = act.qkv_RC});
  x.backend.attention_forward({.shape = attention,
                               .qkv_BTC = act.qkv_RC,
                               .o_BTHK = act.o_RHK,
                               .lse_BHT = act.lse_BHT});
  x.backend.linear_forward({.rows = R,
                            .in_dim = x.config.q_dim(),
                            .out_dim = x.config.model_dim,
                            .x_RI = act.o_RHK,
                            .w_OI = w.o_DHK,
                            .y_RO = branch_RD});
}

// dWo = dbranch^T o;  do = dbranch Wo;  dqkv by attention;
// dWqkv = dqkv^T a;   da = dqkv Wqkv
void attention_block_backward(const BlockContext& x,
                              const kernels::AttentionShape& attention,
                              const AttentionWeights& w, const float* a_RD,
                              const AttentionActivations& act,
                              const AttentionScratch& scratch,
                              const float* dbranch_RD, float* da_RD,
                              const AttentionGradients& grad) {
  const int64_t R = x.shape.num_tokens();
  const int64_t D = x.config.model_dim;
  x.backend.linear_backward_weight({.rows = R,
                                    .in_dim = x.config.q_dim(),
                                    .out_dim = D,
                                    .dy_RO = dbranch_RD,
                                    .x_RI = act.o_RHK,
                                    .dw_OI = grad.o_DHK,
                                    .shards = x.shards});
  x.backend.linear_backward_input({.rows = R,
                                   .in_dim = x.config.q_dim(),
                                   .out_dim = D,
                                   .dy_RO = dbranch_RD,
                                   .w_OI = w.o_DHK,
                                   .dx_RI = scratch.do_RHK});
  x.backend.attention_backward({.shape = attention,
                                .qkv_BTC = act.qkv_RC,
                                .o_BTHK = act.o_RHK,
                                .do_BTHK = scratch.do_RHK,
                                .lse_BHT = act.lse_BHT,
                                .dqkv_BTC = scratch.dqkv_RC});
  x.backend.linear_backward_weight({.rows = R,
                                    .in_dim = D,
                                    .out_dim = x.config.qkv_dim(),
                                    .dy_RO = scratch.dqkv_RC,
                                    .x_RI = a_RD,
                                    .dw_OI = grad.qkv_CD,
                                    .shards = x.shards});
  x.backend.linear_backward_input({.rows = R,
                                   .in_dim = D,
                                   .out_dim = x.config.qkv_dim(),
                                   .dy_RO = scratch.dqkv_RC,
                                   .w_OI = w.qkv_CD,
                                   .dx_RI = da_RD});
}

}  // namespace colossus::model
