// What the coordinator knows for good: the decisions of the journal, replayed.
// What it heard since it started (reports, silences) is not part of it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "coordinator/decision.h"
#include "coordinator/protocol_names.h"
#include "coordinator/recovery_rules.h"

namespace colossus::coordinator {

struct MachineState {
  int64_t machine = 0;
  bool present = true;   // not lost
  bool dropped = false;  // hosts no rank again
  bool leaves = false;   // gets no rank any more
  bool left = false;     // in order: not present, and never again
  bool operator==(const MachineState&) const = default;
};

struct RankState {
  int64_t rank = 0;
  int64_t machine = 0;
  int64_t version = 0;  // of the first orders that name it
  bool operator==(const RankState&) const = default;
};

struct RunState {
  int64_t version = 0;  // decisions applied
  int64_t wanted_ranks = 1;
  int64_t wanted_spares = 0;
  int64_t next_rank = 0;
  std::vector<MachineState> machines;  // ascending
  std::vector<RankState> ranks;        // not lost; ascending

  int64_t number = 0;      // newest PREPARE
  bool preparing = false;  // its view has not begun
  int64_t stop_step = kAtOnce;
  bool verify = false;
  std::shared_ptr<const BegunView> begun;  // newest view; null: none yet
  std::vector<TrustedSteps> views;         // all that began, ascending

  std::vector<KnownState> known;  // the newest starts from memory

  int64_t checkpoint_step = 0;
  std::vector<DifferenceFound> differences;  // of updates, at one step
  int64_t losses_without_step = 0;  // ranks lost with no step done between
  int64_t step_at_loss = 0;         // known at the newest of them
  std::string last_loss;            // how that came
  bool stop_asked = false;
  bool ended = false;
  bool failed = false;
  int64_t end_step = 0;

  const MachineState* machine(int64_t number) const;
  const RankState* rank(int64_t number) const;
};

bool operator==(const RunState& a, const RunState& b);

// Records come from disk: one that contradicts those before it throws
// CorruptFile.
void apply(RunState& state, const Decision& decision);

RunState replay(std::span<const Decision> decisions);

}  // namespace colossus::coordinator
