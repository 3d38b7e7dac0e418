#include "model/feed_forward.h"

#include "kernels/backend.h"
#include "tensor/arena.h"

namespace colossus::model {
namespace {

// 1/sqrt(2) where dense and experts add up (Grok-2).
float combine_scale(const config::ModelConfig& c) {
  return c.has_experts() && c.has_dense_ffn() ? 0.70710678118654752f : 1.0f;
}

kernels::RowGroups expert_groups(const BlockContext& x,
                                 const FeedForwardWeights& w,
                                 const FeedForwardActivations& act) {
  return {.num_groups = x.config.num_experts,
          .segment_begin = act.segment_begin,
          .weight_stride = w.expert_stride};
}

// y = (gelu(m Wgate^T) * (m Wup^T)) Wdown^T
void dense_forward(const BlockContext& x, const FeedForwardWeights& w,
                   const float* m_RD, const FeedForwardActivations& act,
                   const FeedForwardScratch& scratch, float* y_RD) {
  const int64_t R = x.shape.num_tokens();
  x.backend.gated_linear_forward({.rows = R,
                                  .in_dim = x.config.model_dim,
                                  .ffn_dim = x.config.dense_ffn_dim,
                                  .x_RI = m_RD,
                                  .w_2FI = w.gate_up_2FD,
                                  .gate_up_R2F = act.gate_up_R2F,
                                  .h_RF = scratch.h_RF});
  x.backend.linear_forward({.rows = R,
                            .in_dim = x.config.dense_ffn_dim,
                            .out_dim = x.config.model_dim,
                            .x_RI = scratch.h_RF,
                            .w_OI = w.down_DF,
                            .y_RO = y_RD});
}

void dense_backward(const BlockContext& x, const FeedForwardWeights& w,
                    const float* m_RD, const FeedForwardActivations& act,
                    const FeedForwardScratch& scratch, const float* dy_RD,
                    float* dm_RD, const FeedForwardGradients& grad) {
  const int64_t R = x.shape.num_tokens();
  const int64_t D = x.config.model_dim, F = x.config.dense_ffn_dim;
  float* d_gate_up_R2F = act.gate_up_R2F;
  x.backend.gated_linear_backward_input({.rows = R,
                                         .ffn_dim = F,
                                         .out_dim = D,
                                         .dy_RO = dy_RD,
                                         .w_OF = w.down_DF,
                                         .gate_up_R2F = act.gate_up_R2F,
                                         .d_gate_up_R2F = d_gate_up_R2F,
                                         .h_RF = scratch.h_RF});
  x.backend.linear_backward_weight({.rows = R,
                                    .in_dim = F,
                                    .out_dim = D,
                                    .dy_RO = dy_RD,
                                    .x_RI = scratch.h_RF,
                                    .dw_OI = grad.down_DF,
                                    .shards = x.shards});
  x.backend.linear_backward_weight({.rows = R,
                                    .in_dim = D,
                                    .out_dim = 2 * F,
                                    .dy_RO = d_gate_up_R2F,
                                    .x_RI = m_RD,
                                    .dw_OI = grad.gate_up_2FD,
                                    .shards = x.shards});
  x.backend.linear_backward_input({.rows = R,
                                   .in_dim = D,
                                   .out_dim = 2 * F,
                                   .dy_RO = d_gate_up_R2F,
                                   .w_OI = w.gate_up_2FD,
                                   .dx_RI = dm_RD});
}

void route(const BlockContext& x, const FeedForwardWeights& w,
           const float* m_RD, const FeedForwardActivations& act) {
  const config::ModelConfig& c = x.config;
  x.backend.router_forward(
      {.rows = x.shape.num_tokens(),
       .dim = c.model_dim,
       .num_experts = c.num_experts,
       .num_selected = c.num_selected_experts,
       .softcap = static_cast<float>(c.router_logit_softcap),
       .renormalize = c.renormalize_router,
       .num_shards = x.shape.num_shards,
       .m_RD = m_RD,
       .w_ED = w.router_ED,
       .logits_RE = act.logits_RE,
       .probs_RE = act.probs_RE,
       .expert_RS = act.expert_RS,
       .weight_RS = act.weight_RS,
       .share_PE = act.share_PE,
       .balance_loss_P = act.balance_loss_P,
       .z_loss_P = act.z_loss_P});
  x.backend.router_dispatch({.rows = x.shape.num_tokens(),
                             .num_experts = c.num_experts,
                             .num_selected = c.num_selected_experts,
                             .num_shards = x.shape.num_shards,
                             .expert_RS = act.expert_RS,
                             .segment_begin = act.segment_begin,
                             .row_of_slot = act.row_of_slot,
                             .slot_RS = act.slot_RS});
}

// y_slots: each assignment through its expert, tokens read in place.
void experts_forward(const BlockContext& x, const FeedForwardWeights& w,
                     const float* m_RD, const FeedForwardActivations& act,
                     const FeedForwardScratch& scratch) {
  const config::ModelConfig& c = x.config;
  const int64_t slots = x.shape.num_tokens() * c.num_selected_experts;
  const kernels::RowGroups groups = expert_groups(x, w, act);
  x.backend.gated_linear_forward({.rows = slots,
                                  .in_dim = c.model_dim,
                                  .ffn_dim = c.expert_ffn_dim,
                                  .x_RI = m_RD,
                                  .x_row = act.row_of_slot,
                                  .w_2FI = w.experts,
                                  .gate_up_R2F = act.gate_up_slots,
                                  .h_RF = scratch.h_slots,
                                  .groups = groups,
                                  .num_shards = x.shape.num_shards});
  x.backend.linear_forward({.rows = slots,
                            .in_dim = c.expert_ffn_dim,
                            .out_dim = c.model_dim,
                            .x_RI = scratch.h_slots,
                            .w_OI = w.experts + w.expert_down,
                            .y_RO = act.y_slots,
                            .groups = groups,
                            .num_shards = x.shape.num_shards});
}

// From dy_slots (in act.y_slots) to dm_slots and the experts' gradients.
void experts_backward(const BlockContext& x, const FeedForwardWeights& w,
                      const float* m_RD, const FeedForwardActivations& act,
                      const FeedForwardScratch& scratch,
                      const FeedForwardGradients& grad) {
  const config::ModelConfig& c = x.config;
  const int64_t slots = x.shape.num_tokens() * c.num_selected_experts;
  const int64_t D = c.model_dim, F = c.expert_ffn_dim;
  const kernels::RowGroups groups = expert_groups(x, w, act);
  float* d_gate_up = act.gate_up_slots;
  x.backend.gated_linear_backward_input({.rows = slots,
                                         .ffn_dim = F,
                                         .out_dim = D,
                                         .dy_RO = act.y_slots,
                                         .w_OF = w.experts + w.expert_down,
                                         .gate_up_R2F = act.gate_up_slots,
                                         .d_gate_up_R2F = d_gate_up,
                                         .h_RF = scratch.h_slots,
                                         .groups = groups,
                                         .num_shards = x.shape.num_shards});
  x.backend.linear_backward_weight({.rows = slots,
                                    .in_dim = F,
                                    .out_dim = D,
                                    .dy_RO = act.y_slots,
                                    .x_RI = scratch.h_slots,
                                    .dw_OI = grad.experts + w.expert_down,
                                    .groups = groups,
                                    .shards = x.shards});
  x.backend.linear_backward_weight({.rows = slots,
                                    .in_dim = D,
                                    .out_dim = 2 * F,
                                    .dy_RO = d_gate_up,
                                    .x_RI = m_RD,
                                    .x_row = act.row_of_slot,
                                    .dw_OI = grad.experts,
                                    .groups = groups,
                                    .shards = x.shards});
  x.backend.linear_backward_input({.rows = slots,
                                   .in_dim = D,
                                   .out_dim = 2 * F,
                                   .dy_RO = d_gate_up,
                                   .w_OI = w.experts,
                                   .dx_RI = scratch.dm_slots,
                                   .groups = groups,
                                   .num_shards = x.shape.num_shards});
}

void router_backward(const BlockContext& x, const float* m_RD,
                     const FeedForwardActivations& act,
                     const FeedForwardScratch& scratch,
                     const FeedForwardGradients& grad) {
  const config::ModelConfig& c = x.config;
  const double layers = static_cast<double>(c.num_layers);
  x.backend.router_backward(
      {.rows = x.shape.num_tokens(),
       .num_experts = c.num_experts,
       .num_selected = c.num_selected_experts,
       .softcap = static_cast<float>(c.router_logit_softcap),
       .renormalize = c.renormalize_router,
       .num_shards = x.shape.num_shards,
       .balance_weight = static_cast<float>(c.load_balance_loss / layers),
       .z_weight = static_cast<float>(c.router_z_loss / layers),
       .logits_RE = act.logits_RE,
       .probs_RE = act.probs_RE,
       .expert_RS = act.expert_RS,
       .weight_RS = act.weight_RS,
       .dweight_RS = scratch.dweight_RS,
       .share_PE = act.share_PE,
       .dlogits_RE = scratch.dlogits_RE});
  x.backend.linear_backward_weight({.rows = x.shape.num_tokens(),
                                    .in_dim = c.model_dim,
                                    .out_dim = c.num_experts,
                                    .dy_RO = scratch.dlogits_RE,
                                    .x_RI = m_RD,
                                    .dw_OI = grad.router_ED,
                                    .shards = x.shards});
}

}  // namespace

FeedForwardActivations take_feed_forward_activations(
    const config::ModelConfig& c, const BatchShape& shape,
    tensor::Arena& arena) {
  FeedForwardActivations a;
  const int64_t R = shape.num_tokens(), P = shape.num_shards;
  const int64_t E = c.num_experts, slots = R * c.num_selected_experts;
  const auto floats = [&](int64_t count) {
    return arena.take<float>(count, "activations");
  };
  const auto ints = [&](int64_t count) {
    return arena.take<int32_t>(count, "activations");
  };
  if (c.has_experts()) {
    a.logits_RE = floats(R * E);
    a.probs_RE = floats(R * E);
    a.expert_RS = ints(slots);
    a.weight_RS = floats(slots);
    a.slot_RS = ints(slots);
    a.row_of_slot = ints(slots);
    a.segment_begin = ints(E * P + 1);
    a.gate_up_slots = floats(slots * 2 * c.expert_ffn_dim);
    a.y_slots = floats(slots * c.model_dim);
    a.share_PE = floats(P * E);
    a.balance_loss_P = floats(P);
    a.z_loss_P = floats(P);
  }
  if (c.has_dense_ffn()) a.gate_up_R2F = floats(R * 2 * c.dense_ffn_dim);
  return a;
}

FeedForwardScratch take_feed_forward_scratch(const config::ModelConfig& c,
                                             const BatchShape& shape,
                                             tensor::Arena& arena) {
  FeedForwardScratch s;
  const int64_t R = shape.num_tokens();
  const auto floats = [&](int64_t count) {
    return arena.take<float>(count, "backward scratch");
  };
  if (c.has_experts()) {
    const int64_t slots = R * c.num_selected_experts;
    s.h_slots = floats(slots * c.expert_ffn_dim);
    s.dm_slots = floats(slots * c.model_dim);
    s.dweight_RS = floats(slots);
    s.dlogits_RE = floats(R * c.num_experts);
  }
  if (c.has_dense_ffn()) s.h_RF = floats(R * c.dense_ffn_dim);
  if (c.has_experts() && c.has_dense_ffn()) {
    s.dense_RD = floats(R * c.model_dim);
    s.ddense_m_RD = floats(R * c.model_dim);
  }
  return s;
}

void feed_forward_forward(const BlockContext& x, const FeedForwardWeights& w,
                          const float* m_RD, const FeedForwardActivations& act,
                          const FeedForwardScratch& scratch, float* branch_RD) {
  const config::ModelConfig& c = x.config;
  if (!c.has_experts()) {
    dense_forward(x, w, m_RD, act, scratch, branch_RD);
    return;
  }
  route(x, w, m_RD, act);
  experts_forward(x, w, m_RD, act, scratch);
  if (c.has_dense_ffn()) {
    dense_forward(x, w, m_RD, act, scratch, scratch.dense_RD);
  }
  x.backend.expert_combine_forward({.rows = x.shape.num_tokens(),
                                    .dim = c.model_dim,
                                    .num_selected = c.num_selected_experts,
                                    .scale = combine_scale(c),
                                    .y_slots = act.y_slots,
                                    .slot_RS = act.slot_RS,
                                    .weight_RS = act.weight_RS,
                                    .dense_RD = scratch.dense_RD,
                                    .y_RD = branch_RD});
}

void feed_forward_backward(const BlockContext& x, const FeedForwardWeights& w,
                           const float* m_RD, const FeedForwardActivations& act,
                           const FeedForwardScratch& scratch,
                           const float* dbranch_RD, float* dm_RD,
                           const FeedForwardGradients& grad) {
  const config::ModelConfig& c = x.config;
  if (!c.has_experts()) {
    dense_backward(x, w, m_RD, act, scratch, dbranch_RD, dm_RD, grad);
    return;
  }
  x.backend.expert_combine_backward({.rows = x.shape.num_tokens(),
                                     .dim = c.model_dim,
                                     .num_selected = c.num_selected_experts,
                                     .scale = combine_scale(c),
                                     .dy_RD = dbranch_RD,
                                     .y_slots = act.y_slots,
                                     .slot_RS = act.slot_RS,
                                     .weight_RS = act.weight_RS,
                                     .dy_slots = act.y_slots,
                                     .dweight_RS = scratch.dweight_RS,
                                     .ddense_RD = scratch.dense_RD});
  experts_backward(x, w, m_RD, act, scratch, grad);
  router_backward(x, m_RD, act, scratch, grad);
  if (c.has_dense_ffn()) {
    dense_backward(x, w, m_RD, act, scratch, scratch.dense_RD,
                   scratch.ddense_m_RD, grad);
  }
  x.backend.expert_input_backward({.rows = x.shape.num_tokens(),
                                   .dim = c.model_dim,
                                   .num_experts = c.num_experts,
                                   .num_selected = c.num_selected_experts,
                                   .dm_slots = scratch.dm_slots,
                                   .slot_RS = act.slot_RS,
                                   .dlogits_RE = scratch.dlogits_RE,
                                   .w_ED = w.router_ED,
                                   .ddense_m_RD = scratch.ddense_m_RD,
                                   .dm_RD = dm_RD});
}

}  // namespace colossus::model
