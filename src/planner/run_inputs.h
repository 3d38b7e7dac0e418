// A published run as what a planner takes: model, cluster, layout, batch. What
// was not published is filled in, and each such field named, so that whoever
// predicts can count it, print it, or put a default of his own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planner/hardware.h"
#include "planner/layout.h"
#include "planner/published_runs.h"
#include "planner/transformer.h"

namespace colossus::planner {

// A field that the row leaves empty: a column of published_runs.csv, what it
// was taken for, and why.
struct Filled {
  std::string column, value, why;
  bool operator==(const Filled&) const = default;
};

struct RunInputs {
  Transformer model;
  Cluster cluster;
  Layout layout;
  int64_t global_batch_sequences = 0;
  int64_t seq_len = 0;
  Precision precision = Precision::kBf16;  // of the matrix products
  std::vector<Filled> filled;
  // Rules that the layout breaks as it is printed (`violations`): it ran, so
  // the row or the rule is not quite as it was.
  std::vector<std::string> broken_rules;
  // Why the row says too little, or what no machine can do; the rest is then
  // unfinished. "" if it can be predicted.
  std::string why_not;

  bool was_filled(const std::string& column) const;
};

// The GPU must be known, and how many of them there are; for all else there is
// a rule:
//
//   layers, hidden  12 x layers x hidden^2 = params_b (or the model's name's
//                   "13B"), hidden = 128 x layers; one from the other if known
//   seq_len         2048, from 2023 on 4096
//   global_batch_sequences  one micro-batch a replica, with pp 8 x pp of them
//   heads           the number that divides hidden and tp, with head_dim
//                   nearest to 128
//   kv_heads        heads
//   ffn_hidden      4 x hidden, or of gated ones 8/3, to a multiple of 256
//   mlp_type        plain, but gated for families that are known to be
//   vocab           51200 (README.md, the baseline)
//   topk            2
//   num_gpus        tp x pp x cp x dp
//   dp              num_gpus / (tp x pp x cp), whatever was printed
//   micro_batch     1
//   zero_or_fsdp    ZeRO-1 for NeMo and Megatron-Bridge, else none
//   recompute       none
//   precision       16 bit
//   gpus_per_node, internode_network: the GPU's usual node
//
// DeepSeek-V3, Kimi-K2 and GPT OSS have parts without a column; they are known
// by name. Plain feed-forwards are taken for GPT's: LayerNorm, biases, a tied
// head. Layers that only divide with embedding and head as slots are dealt out
// so.
RunInputs inputs_of(const PublishedRun& run);

}  // namespace colossus::planner
