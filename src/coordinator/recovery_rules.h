// From which step a view starts, and where each slice's state comes from; and
// who is wrong when two that should agree do not. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/protocol_names.h"

namespace colossus::coordinator {

struct MachineAnswer {
  int64_t machine = 0;
  CheckedStep checked;
  std::vector<SliceCopy> copies;
};

// Of one view: where it started, or a later step of it that was known to be
// checked when some view began.
struct TrustedSteps {
  int64_t view = 0;
  int64_t up_to = 0;
  bool operator==(const TrustedSteps&) const = default;
};

// The right state of a step, as a view started from it.
struct KnownState {
  int64_t step = 0;
  std::vector<Hash128> hash_S;
  bool operator==(const KnownState&) const = default;
};

struct StartRequest {
  int64_t num_shards = 1;
  std::vector<MachineAnswer> answers;  // by machine, ascending
  std::vector<TrustedSteps> views;     // all that began so far, ascending
  std::vector<KnownState> known;       // from which views started lately
  int64_t checkpoint_step = 0;         // newest; 0: the initial values
  Mutation mutation = Mutation::kNone;
};

struct StartChoice {
  int64_t step = 0;
  bool from_checkpoint = false;
  // By slice, unless from_checkpoint.
  std::vector<std::vector<int64_t>> machines_S;  // ascending
  std::vector<Hash128> hash_S;
  std::vector<int64_t> unsound_machines;  // a copy there fails its own hash
  CheckedStep checked;  // the newest that an answer knows; view 0: none does
  std::string reason;
};

// The greatest step of which every slice has a copy that can be trusted:
//   - it passes its own hash;
//   - it was *checked*: its step is not beyond the start of its view, nor
//     beyond what a machine that answered, or that answered for some earlier
//     view, knows to be checked in its view; or it has the step and the hash
//     from which some view started. (A copy that was stored but never compared
//     with its twin may hold a silent error; a step that any rank committed was
//     checked at every rank.)
//   - no other such copy of the same slice and step has another hash.
// Without such a step, or if the checkpoint is newer: the checkpoint.
StartChoice choose_start(const StartRequest& request);

// From where `machine` takes a slice that lies on `machines`: itself if it is
// among them, else the first.
int64_t choose_source(const std::vector<int64_t>& machines, int64_t machine);

struct GradientAudit {
  Difference difference;            // owner's and auditor's first answers
  std::vector<Recomputed> answers;  // of third ranks, or again of the two
};

enum class Ruling {
  kWait,   // for an answer
  kWrong,  // `wrong_rank` is
  kStop,   // nobody can tell: the run stops
};

struct Verdict {
  Ruling ruling = Ruling::kWait;
  int64_t wrong_rank = kNone;
  std::string reason;
};

// Ranks to ask: a third one if `ranks` (ascending) has one, else both again.
std::vector<int64_t> ranks_to_ask(const Difference& difference,
                                  const std::vector<int64_t>& ranks);

// A third rank settles it; of two, the one whose second answer differs from its
// first is wrong; if they still differ, stop.
Verdict settle_gradient(const GradientAudit& audit,
                        const std::vector<int64_t>& asked,
                        Mutation mutation = Mutation::kNone);

}  // namespace colossus::coordinator
