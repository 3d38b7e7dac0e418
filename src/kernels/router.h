// The mixture of experts around the expert products: routing, sorting, mixing.
// R rows (tokens), D dim, E experts, S selected.
#pragma once

#include <cstdint>

#include "kernels/shards.h"

namespace colossus::kernels {

inline constexpr int64_t kMaxExperts = 256;

// logits z_RE  = m_RD w_ED^T                        chains over D
// probs        = softmax over E of softcap(z)       cap 0 = none
// the S largest, largest first; of equal ones the lower expert first
// weight       = their probs, divided by their sum if `renormalize`
//
// Per shard (a shard's rows are one micro-batch):
//   balance_loss = E * sum_e(share_e * mean_prob_e)
//   z_loss       = mean(logsumexp(z)^2)
// each sum over rows in double, in their order. A sum over E runs over 16 lanes
// (expert mod 16), each in order, and their fixed tree.
struct RouterForward {
  int64_t rows, dim, num_experts, num_selected;
  float softcap;
  bool renormalize;
  int64_t num_shards;
  const float* m_RD;
  const float* w_ED;
  float* logits_RE;  // z, before the softcap
  float* probs_RE;
  int32_t* expert_RS;
  float* weight_RS;
  float* share_PE;  // P shards: fraction of the assignments to e
  float* balance_loss_P;
  float* z_loss_P;
};

// Sorts the R*S assignments by (expert, shard, row, choice).
struct RouterDispatch {
  int64_t rows, num_experts, num_selected;
  int64_t num_shards;
  const int32_t* expert_RS;
  int32_t* segment_begin;  // [E * num_shards + 1]
  int32_t* row_of_slot;    // [R*S] the token that sits at a sorted place
  int32_t* slot_RS;        // the sorted place of a token's choice
};

// y_RD = (dense_RD + sum over choices in order of weight * y_slots[slot]) *
// scale dense null: no such term. One chain of fused multiply-adds from dense,
// or 0.
struct ExpertCombineForward {
  int64_t rows, dim, num_selected;
  float scale;
  const float* y_slots;  // [R*S, D]
  const int32_t* slot_RS;
  const float* weight_RS;
  const float* dense_RD;
  float* y_RD;
};

// dy_slots[slot] = dy * scale * weight;  ddense = dy * scale
// dweight_RS     = scale * <dy, y_slots[slot]>
// dy_slots may be y_slots. <,> runs over 16 lanes (column mod 16), each in
// order, and their fixed tree.
struct ExpertCombineBackward {
  int64_t rows, dim, num_selected;
  float scale;
  const float* dy_RD;
  const float* y_slots;
  const int32_t* slot_RS;
  const float* weight_RS;
  float* dy_slots;
  float* dweight_RS;
  float* ddense_RD;  // null: none
};

// dlogits_RE, from the gradient of the selected weights and of the two losses:
// balance_weight * balance_loss + z_weight * z_loss, of each shard.
struct RouterBackward {
  int64_t rows, num_experts, num_selected;
  float softcap;
  bool renormalize;
  int64_t num_shards;
  float balance_weight, z_weight;
  const float* logits_RE;
  const float* probs_RE;
  const int32_t* expert_RS;
  const float* weight_RS;
  const float* dweight_RS;
  const float* share_PE;
  float* dlogits_RE;
};

// dm_RD = ddense_m_RD + dlogits_RE w_ED + sum over choices of dm_slots[slot]
// in this order, dlogits w as a chain over E that starts from ddense_m;
// ddense_m null: from 0.
struct ExpertInputBackward {
  int64_t rows, dim, num_experts, num_selected;
  const float* dm_slots;
  const int32_t* slot_RS;
  const float* dlogits_RE;
  const float* w_ED;
  const float* ddense_m_RD;
  float* dm_RD;
};

}  // namespace colossus::kernels
