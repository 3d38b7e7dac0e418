// What a user asks of the planner: a model, a cluster, a batch, how it is
// computed, and which dimensions of the layout are fixed or capped. A plain
// value, checked where it is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "planner/calibration.h"
#include "planner/cluster_file.h"
#include "planner/layout.h"
#include "planner/software.h"
#include "planner/transformer.h"

namespace colossus::planner {

// What a dimension of the layout may be.
struct Range {
  int64_t least = 0;
  int64_t most = INT64_MAX;

  bool holds(int64_t value) const { return value >= least && value <= most; }
  bool is_fixed() const { return least == most; }
};

// All of them. A text is any where it is empty; a choice of two is 0 or 1.
struct LayoutRules {
  Range tensor, pipeline, virtual_stages, data, expert, context, zero_stage,
      micro_batch_size, sequence_parallel, embedding_slot, head_slot;
  std::string recomputation;
  std::vector<std::string> texts;  // as they were given

  bool allow(const Layout& layout) const;
};

// "parallel.tensor=8", "parallel.tensor<=8", "parallel.tensor>=2"; texts and
// choices only with "=". Narrows `rules`. Throws UserError: an unknown
// dimension, with the nearest; a value that none can have; rules that leave
// nothing.
void add_layout_rule(const std::string& assignment, LayoutRules& rules);

struct PlanRequest {
  Transformer model;
  std::string model_source;  // path
  LoadedCluster cluster;
  std::string cluster_source;  // path, or "H100-SXM:1024"
  int64_t global_batch_sequences = 0;
  int64_t seq_len = 0;
  double num_tokens = 0;             // of the whole run; 0: a step alone
  std::optional<int64_t> start_day;  // since 1970-01-01, of a run that grows
  Precision precision = Precision::kBf16;
  // Whose habits hold (software.h): most large runs of today.
  std::string framework = "megatron-bridge";
  std::string framework_version;
  LayoutRules rules;
  int64_t num_layouts = 10;  // to print
  Calibration calibration;
  std::string calibration_source;  // "": that of the published runs
  std::vector<std::string> notes;  // on how flags and files were read

  double tokens_per_step() const {
    return static_cast<double>(global_batch_sequences) *
           static_cast<double>(seq_len);
  }
  Arithmetic arithmetic() const;
  SoftwareDefaults software() const;
};

// The numbers of a request that are no file's.
// Throws UserError: a batch that no layout can deal out, a precision that the
// GPU has not, a sequence beyond the model's positions, a first day of no run
// that grows.
void validate(const PlanRequest& request);

// A batch in tokens: "33554432", "32M". People who say 32M mean 2^25 where
// 32,000,000 is no multiple of the sequence; `note` then says so.
struct Batch {
  int64_t sequences = 0;
  std::string note;
};

// Throws UserError where neither is a multiple of `seq_len`.
Batch parse_batch_tokens(const std::string& text, int64_t seq_len);

// A file's cluster, or "TYPE:GPUS" of a known type. `overrides` as
// read_cluster.
LoadedCluster cluster_of(const std::string& text,
                         const std::vector<std::string>& overrides);

}  // namespace colossus::planner
