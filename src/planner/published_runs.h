// Training runs that others have published, with their settings and times: the
// table that a planner is checked against. Columns, units and facts are those
// of shared/data/README.md; the program carries its files.
//
// Any file with these columns works, in any order, some of them absent. An
// empty cell was not published.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planner/machine.h"

namespace colossus::planner {

struct PublishedRun {
  int64_t line = 0;  // in its file
  std::string id, source;
  std::optional<int64_t> year;
  std::string gpu;
  std::optional<int64_t> num_gpus, gpus_per_node;
  std::string internode_network, model_name;

  std::optional<double> params_b, active_params_b;  // 10^9
  std::optional<int64_t> layers, hidden, ffn_hidden, heads, kv_heads, head_dim,
      vocab, seq_len, experts, topk;
  std::string mlp_type;  // "plain...", "gated"
  std::string kind;      // "dense", "moe"

  std::optional<int64_t> global_batch_sequences, micro_batch, tp, pp, vpp, dp,
      ep, cp;
  std::string zero_or_fsdp;
  std::string recompute;  // "none", "selective", "full"
  std::string precision;
  std::string grad_accum_dtype;

  std::optional<double> step_time_s, tokens_per_s_per_gpu, tflops_per_gpu,
      mfu_pct, hfu_pct, mem_gib_per_gpu;
  std::string mfu_definition_notes, quality, derived_fields, notes;

  std::string family, framework, framework_version, attention;
  std::optional<bool> sequence_parallel, compiled;
  std::string overlap;

  // A replica's batch of which the micro-batches are cut, where that is what
  // was published instead of micro_batch (torchtitan with pipelines).
  std::optional<int64_t> local_batch;
  // What the reader added by the facts of README.md, in words: "layers = 80,
  // from ...".
  std::vector<std::string> derived;

  bool is_moe() const { return kind == "moe"; }
  // Of grade A or A-.
  bool is_first_hand() const { return quality == "A" || quality == "A-"; }
  // A time or a rate of tokens was published.
  bool is_timed() const { return step_time_s || tokens_per_s_per_gpu; }
  // Seconds a step: as printed, or from the rate of tokens. Nothing without
  // both, or where a rate stands without GPUs, batch and seq_len.
  std::optional<double> step_seconds() const;
};

// `source` is the text's name in messages. Throws UserError with line and
// column: an unknown column (with the nearest), a cell that is no number, that
// is not above zero, or that is none of the column's words; an id with a
// control character; a second row of one id. The columns of out_of_memory.csv
// and single_node_a100.csv are known too; a row without an id gets "row N", N
// its line.
std::vector<PublishedRun> read_published_runs(std::string_view text,
                                              const std::string& source);

// The files that the program carries.
std::vector<PublishedRun> shipped_runs();
std::vector<PublishedRun> shipped_out_of_memory_runs();
// One node of A100, small GPT models; not raw timings (README.md, Traps).
std::vector<PublishedRun> shipped_single_node_runs();

// Why no machine can have done this run as it is printed: README.md lists such
// rows by id. "" for all others.
std::string why_impossible(const PublishedRun& run);

// By `precision`; without one, and on an A100 always, 16 bit.
Arithmetic arithmetic_of(const PublishedRun& run);

// The planner's name of the row's GPU (hardware.h), or nothing if it is none
// that the planner knows.
std::optional<std::string> device_name_of(const std::string& gpu);

}  // namespace colossus::planner
