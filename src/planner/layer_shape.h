// A workload's widths as doubles, ready for arithmetic: one decoder layer on
// one rank for one micro-batch. Short names, those of the formulas in
// docs/planner.md:
//   tok tokens, h model width, f feed-forward width, q and kv heads, d head
//   width, s seq_len, V vocabulary, t tensor, L layers
#pragma once

#include "planner/workload.h"

namespace colossus::planner {

struct LayerShape {
  explicit LayerShape(const Workload& workload);

  double tok, h, q, kv, d, s, V, t;
  double L;           // with MTP's
  double f = 0;       // of a dense feed-forward, or of one expert
  double up;          // 2 gated, 1 plain
  double shared = 0;  // width of shared experts, or of what stands beside
  double experts = 0;
  double topk = 1;
  double local_experts = 1;
  bool has_experts;
  double matrices() const { return up + 1; }
  // Of the norms and residuals: cut along the sequence, or whole.
  double norm_share;
  double score_share;  // of the causal half, what windows leave

  // Of one layer, by part; whole, not a tensor rank's share.
  double attention_parameters;
  double ffn_parameters;         // dense, or shared experts
  double expert_parameters = 0;  // of one
};

}  // namespace colossus::planner
