// What the coordinator decided, as the run's journal keeps it: one struct a
// decision, one list of fields each. The state of the coordinator is these
// records replayed (run_state.h); nothing else outlives it.
//
// A record is on disk before anybody hears of what it says. `reason` is a
// sentence for people.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/hash.h"

namespace colossus::coordinator {

// How many ranks shall host shards, and how many more shall stand by.
struct SizeAsked {
  static constexpr const char* kName = "size_asked";
  int64_t ranks = 1;
  int64_t spares = 0;
  std::string reason;
  bool operator==(const SizeAsked&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("ranks", ranks);
    v.field("spares", spares);
    v.field("reason", reason);
  }
};

// Heard of for the first time, or again after it was lost.
struct MachineJoined {
  static constexpr const char* kName = "machine_joined";
  int64_t machine = 0;
  std::string reason;
  bool operator==(const MachineJoined&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("machine", machine);
    v.field("reason", reason);
  }
};

// Its ranks are lost with it.
struct MachineLost {
  static constexpr const char* kName = "machine_lost";
  int64_t machine = 0;
  std::string reason;
  bool operator==(const MachineLost&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("machine", machine);
    v.field("reason", reason);
  }
};

// It computed wrongly: no rank runs there again. Copies in its memory that pass
// their hashes still serve.
struct MachineDropped {
  static constexpr const char* kName = "machine_dropped";
  int64_t machine = 0;
  std::string reason;
  bool operator==(const MachineDropped&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("machine", machine);
    v.field("reason", reason);
  }
};

// Its user takes it out of the run: it gets no more ranks, and those that it
// has are released when others have taken over.
struct MachineLeaves {
  static constexpr const char* kName = "machine_leaves";
  int64_t machine = 0;
  std::string reason;
  bool operator==(const MachineLeaves&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("machine", machine);
    v.field("reason", reason);
  }
};

// In order, and for good: the run needs nothing of it any more.
struct MachineLeft {
  static constexpr const char* kName = "machine_left";
  int64_t machine = 0;
  std::string reason;
  bool operator==(const MachineLeft&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("machine", machine);
    v.field("reason", reason);
  }
};

// The number is spent, whether the process ever runs or not.
struct RankAssigned {
  static constexpr const char* kName = "rank_assigned";
  int64_t rank = 0;
  int64_t machine = 0;
  std::string reason;
  bool operator==(const RankAssigned&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("rank", rank);
    v.field("machine", machine);
    v.field("reason", reason);
  }
};

// Dead or given up; its agent ends the process if it lives.
struct RankLost {
  static constexpr const char* kName = "rank_lost";
  int64_t rank = 0;
  int64_t step = 0;  // the newest that was known to be committed
  std::string reason;
  bool operator==(const RankLost&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("rank", rank);
    v.field("step", step);
    v.field("reason", reason);
  }
};

// No longer wanted, and without a part in the view: nothing is lost by it.
struct RankReleased {
  static constexpr const char* kName = "rank_released";
  int64_t rank = 0;
  std::string reason;
  bool operator==(const RankReleased&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("rank", rank);
    v.field("reason", reason);
  }
};

// The first round of a view change.
struct PrepareBegun {
  static constexpr const char* kName = "prepare";
  int64_t number = 0;
  int64_t stop_step = -1;  // ranks stop when they committed it; -1: at once
  bool verify = false;     // copies are hashed again
  std::string reason;
  bool operator==(const PrepareBegun&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("number", number);
    v.field("stop_step", stop_step);
    v.field("verify", verify);
    v.field("reason", reason);
  }
};

// The second round: config::View and where its state comes from.
struct ViewBegun {
  static constexpr const char* kName = "view";
  int64_t number = 0;
  int64_t start_step = 0;
  int64_t last_step = 0;  // none is made after it
  bool save_and_stop = false;
  // The newest step of an older view that an answer knew to be checked; view 0:
  // none did.
  int64_t checked_view = 0;
  int64_t checked_step = 0;
  std::vector<int64_t> members;   // ranks, ascending
  std::vector<int64_t> machines;  // theirs
  // Where they listen (config::word_of); empty: none does.
  std::vector<int64_t> endpoints;
  std::vector<int64_t> owners;         // by shard
  std::vector<int64_t> backups;        // by slice; -1: none
  std::vector<int64_t> owner_sources;  // by slice: a machine; -1: checkpoint
  std::vector<int64_t> backup_sources;
  std::vector<Hash128> hashes;  // by slice; empty: from the checkpoint
  std::string reason;
  bool operator==(const ViewBegun&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("number", number);
    v.field("start_step", start_step);
    v.field("last_step", last_step);
    v.field("save_and_stop", save_and_stop);
    v.field("checked_view", checked_view);
    v.field("checked_step", checked_step);
    v.field("members", members);
    v.field("machines", machines);
    v.field("endpoints", endpoints);
    v.field("owners", owners);
    v.field("backups", backups);
    v.field("owner_sources", owner_sources);
    v.field("backup_sources", backup_sources);
    v.field("hashes", hashes);
    v.field("reason", reason);
  }
};

// All slices of `step` lie on disk, written in `view`.
struct CheckpointCommitted {
  static constexpr const char* kName = "checkpoint_committed";
  int64_t view = 0;
  int64_t step = 0;
  std::string reason;
  bool operator==(const CheckpointCommitted&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("view", view);
    v.field("step", step);
    v.field("reason", reason);
  }
};

// Two that should agree did not.
struct DifferenceFound {
  static constexpr const char* kName = "difference";
  std::string kind;  // "gradient", "update", "transfer"
  int64_t view = 0;
  int64_t step = 0;
  int64_t shard = 0;
  int64_t first_rank = 0;
  int64_t second_rank = 0;
  std::string reason;
  bool operator==(const DifferenceFound&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("kind", kind);
    v.field("view", view);
    v.field("step", step);
    v.field("shard", shard);
    v.field("first_rank", first_rank);
    v.field("second_rank", second_rank);
    v.field("reason", reason);
  }
};

// Slower than the others for a while.
struct StragglerFound {
  static constexpr const char* kName = "straggler";
  int64_t rank = 0;
  int64_t shard_us = 0;   // of it
  int64_t median_us = 0;  // of all
  std::string reason;
  bool operator==(const StragglerFound&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("rank", rank);
    v.field("shard_us", shard_us);
    v.field("median_us", median_us);
    v.field("reason", reason);
  }
};

struct StopAsked {
  static constexpr const char* kName = "stop_asked";
  std::string reason;
  bool operator==(const StopAsked&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("reason", reason);
  }
};

// No rank runs any more.
struct RunEnded {
  static constexpr const char* kName = "ended";
  int64_t step = 0;
  bool failed = false;
  std::string reason;
  bool operator==(const RunEnded&) const = default;
  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("step", step);
    v.field("failed", failed);
    v.field("reason", reason);
  }
};

using Decision =
    std::variant<SizeAsked, MachineJoined, MachineLost, MachineDropped,
                 MachineLeaves, MachineLeft, RankAssigned, RankLost,
                 RankReleased, PrepareBegun, ViewBegun, CheckpointCommitted,
                 DifferenceFound, StragglerFound, StopAsked, RunEnded>;

}  // namespace colossus::coordinator
