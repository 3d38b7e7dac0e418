// What a journal can say: one struct an event, one field list each, from which
// writing and reading derive (journal_codec.cc). docs/formats/journal.md.
//
// `step` is the number of optimizer steps done when the event happened.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "coordinator/decision.h"

namespace colossus::runtime {

// A view began: at the start of the run, at a resume.
struct RunStarted {
  static constexpr const char* kName = "run_started";
  int64_t step = 0;  // where it goes on from; 0 at the first start
  int64_t view = 1;
  bool resumed = false;
  std::string reason;         // "new run", "resumed from checkpoint step 500"
  std::string numerics;       // the numerics version
  std::string config_digest;  // of what changes bits
  std::string machine;        // "AMD EPYC 7R13, avx2, 2 threads"
  int64_t total_steps = 0;
  int64_t tokens_per_step = 0;
  int64_t num_parameters = 0;
  int64_t num_active_parameters = 0;
  double model_flops_per_token = 0;
  double peak_flops_per_second = 0;  // 0: not measured

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("step", step);
    v.field("view", view);
    v.field("resumed", resumed);
    v.field("reason", reason);
    v.field("numerics", numerics);
    v.field("config_digest", config_digest);
    v.field("machine", machine);
    v.field("total_steps", total_steps);
    v.field("tokens_per_step", tokens_per_step);
    v.field("num_parameters", num_parameters);
    v.field("num_active_parameters", num_active_parameters);
    v.field("model_flops_per_token", model_flops_per_token);
    v.field("peak_flops_per_second", peak_flops_per_second);
  }
};

// [layer][expert]: the share of the layer's (token, choice) pairs; each layer
// sums to 1. Empty for a dense model.
using ExpertLoad = std::vector<std::vector<double>>;

struct StepMetrics {
  static constexpr const char* kName = "step";
  int64_t step = 0;
  double loss = 0;      // cross entropy, nats a token
  double aux_loss = 0;  // the router's, weighted
  double learning_rate = 0;
  double grad_norm = 0;  // before clipping
  int64_t tokens = 0;    // of the run so far, this step's included
  double tokens_per_second = 0;
  double mfu = 0;  // 0 to 1; 0: unknown
  double seconds = 0;
  // Steps stood still for a checkpoint so long since the step before.
  double checkpoint_seconds = 0;
  // Of `seconds`: updates of backups, and the comparison of all slices' hashes.
  double backup_seconds = 0;
  double at = 0;  // wall clock of the rank that tells; 0: unknown
  ExpertLoad expert_load;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("step", step);
    v.field("loss", loss);
    v.field("aux_loss", aux_loss);
    v.field("learning_rate", learning_rate);
    v.field("grad_norm", grad_norm);
    v.field("tokens", tokens);
    v.field("tokens_per_second", tokens_per_second);
    v.field("mfu", mfu);
    v.field("seconds", seconds);
    v.field("checkpoint_seconds", checkpoint_seconds);
    v.field("backup_seconds", backup_seconds);
    v.field("at", at);
    v.field("expert_load", expert_load);
  }
};

struct Validation {
  static constexpr const char* kName = "validation";
  int64_t step = 0;
  double val_loss = 0;       // nats a token
  double bits_per_byte = 0;  // 0: not computed
  double seconds = 0;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("step", step);
    v.field("val_loss", val_loss);
    v.field("bits_per_byte", bits_per_byte);
    v.field("seconds", seconds);
  }
};

// Bytes that are no UTF-8 come back as U+FFFD.
struct TextSample {
  static constexpr const char* kName = "sample";
  int64_t step = 0;
  std::string prompt;
  std::string text;  // what the model wrote behind the prompt

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("step", step);
    v.field("prompt", prompt);
    v.field("text", text);
  }
};

struct CheckpointSaved {
  static constexpr const char* kName = "checkpoint";
  int64_t step = 0;
  std::string path;
  std::string hash;
  int64_t size_bytes = 0;
  double seconds = 0;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("step", step);
    v.field("path", path);
    v.field("hash", hash);
    v.field("size_bytes", size_bytes);
    v.field("seconds", seconds);
  }
};

// Its bytes fail their checks.
struct CheckpointDamaged {
  static constexpr const char* kName = "checkpoint_damaged";
  int64_t step = 0;
  std::string path;
  std::string reason;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("step", step);
    v.field("path", path);
    v.field("reason", reason);
  }
};

// Sound, but not used, or not written.
struct CheckpointSkipped {
  static constexpr const char* kName = "checkpoint_skipped";
  int64_t step = 0;
  std::string path;
  std::string reason;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("step", step);
    v.field("path", path);
    v.field("reason", reason);
  }
};

// The view ended before the last step, in order.
struct RunStopped {
  static constexpr const char* kName = "stopped";
  int64_t step = 0;
  std::string reason;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("step", step);
    v.field("reason", reason);
  }
};

struct RunFailed {
  static constexpr const char* kName = "failed";
  int64_t step = 0;
  std::string reason;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("step", step);
    v.field("reason", reason);
  }
};

// All steps are done.
struct RunFinished {
  static constexpr const char* kName = "finished";
  int64_t step = 0;
  int64_t tokens = 0;
  double seconds = 0;  // training, of all views
  double loss = 0;
  double val_loss = 0;       // on all of the validation set
  double bits_per_byte = 0;  // 0: not computed
  std::string hash;
  std::string checkpoint;  // path

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("step", step);
    v.field("tokens", tokens);
    v.field("seconds", seconds);
    v.field("loss", loss);
    v.field("val_loss", val_loss);
    v.field("bits_per_byte", bits_per_byte);
    v.field("hash", hash);
    v.field("checkpoint", checkpoint);
  }
};

// Whatever else a reader of the run should know (a torn line cut off, an end by
// the kernel's out-of-memory killer found at the next start).
struct Remark {
  static constexpr const char* kName = "remark";
  int64_t step = 0;
  std::string reason;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("step", step);
    v.field("reason", reason);
  }
};

// A run's coordinator is at work; from the second on, a successor.
struct CoordinatorStarted {
  static constexpr const char* kName = "coordinator_started";
  int64_t pid = 0;
  std::string address;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("pid", pid);
    v.field("address", address);
  }
};

// A machine's agent attends: its first, or a successor.
struct AgentStarted {
  static constexpr const char* kName = "agent_started";
  int64_t machine = 0;
  int64_t pid = 0;
  std::string host;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("machine", machine);
    v.field("pid", pid);
    v.field("host", host);
  }
};

// A rank's process runs; its number was given by a rank_assigned before.
struct RankStarted {
  static constexpr const char* kName = "rank_started";
  int64_t rank = 0;
  int64_t machine = 0;
  int64_t pid = 0;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("rank", rank);
    v.field("machine", machine);
    v.field("pid", pid);
  }
};

// Its memory is there, and it looks at the board.
struct RankReady {
  static constexpr const char* kName = "rank_ready";
  int64_t rank = 0;
  double at = 0;  // wall clock of the rank

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("rank", rank);
    v.field("at", at);
  }
};

// Its process died or was given up: what its machine saw of it.
struct RankEnded {
  static constexpr const char* kName = "rank_ended";
  int64_t rank = 0;
  int64_t machine = 0;
  int64_t pid = 0;
  double silent_seconds = 0;  // since its last sign of life
  std::string reason;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("rank", rank);
    v.field("machine", machine);
    v.field("pid", pid);
    v.field("silent_seconds", silent_seconds);
    v.field("reason", reason);
  }
};

// At a rank's end, or when it enters the view in which the run ends. Several
// ranks of a machine took the sum of both, since each shared page is divided
// among those who have it.
struct MemoryUsed {
  static constexpr const char* kName = "memory_used";
  int64_t rank = 0;
  int64_t private_bytes = 0;  // its own, at the peak
  int64_t shared_bytes = 0;   // its part of what its machine's ranks share

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("rank", rank);
    v.field("private_bytes", private_bytes);
    v.field("shared_bytes", shared_bytes);
  }
};

// All of a view hold the state it starts from: its first step begins.
struct ViewReady {
  static constexpr const char* kName = "view_ready";
  int64_t number = 0;
  int64_t step = 0;
  double at = 0;  // wall clock of the rank that tells

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("number", number);
    v.field("step", step);
    v.field("at", at);
  }
};

template <typename... Own, typename... Decisions>
std::variant<Own..., Decisions...> joined_variant(std::variant<Own...>,
                                                  std::variant<Decisions...>);

// What ranks and their machine report, then what the coordinator decided.
using JournalEvent = decltype(joined_variant(
    std::declval<std::variant<
        RunStarted, StepMetrics, Validation, TextSample, CheckpointSaved,
        CheckpointDamaged, CheckpointSkipped, RunStopped, RunFailed,
        RunFinished, Remark, CoordinatorStarted, AgentStarted, RankStarted,
        RankReady, RankEnded, ViewReady, MemoryUsed>>(),
    std::declval<coordinator::Decision>()));

// Where a rank's report stood in its ring: so none gets into the journal twice.
struct JournalSource {
  int64_t rank = -1;  // -1: said by whoever writes the journal
  int64_t position = 0;
};

struct JournalRecord {
  double wall_seconds = 0;  // since 1970; for people only
  JournalEvent event;
  JournalSource source = {};
};

}  // namespace colossus::runtime
