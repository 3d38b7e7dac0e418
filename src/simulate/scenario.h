// What a history is like, drawn from its seed: the size of the cluster, how
// fast things are, which faults happen how often. Some seeds are calm, some
// violent; each has only some kinds of faults, so that rare combinations come
// up.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "coordinator/core.h"
#include "simulate/random_stream.h"

namespace colossus::simulate {

enum class Fault : int {
  kKillRank,
  kHangRank,     // SIGSTOP; for a while or for good
  kKillHolders,  // of a slice: owner and backup at once
  kKillAgent,    // it comes back
  kHangAgent,
  kLoseMachine,       // with its memory; another may join
  kKillCoordinator,   // it comes back and replays its journal
  kCrashCoordinator,  // between two actions of one event
  kCutLink,           // between machines or to the coordinator, or one way only
  kStorm,             // many messages are lost, late, repeated
  kResize,
  kSlowRank,
  kFlipGradient,  // once
  kFlipUpdate,    // once, at owner or backup, before its hash is taken
  kFlipAtRest,    // in a stored copy
  kBadMachine,    // all its gradients are wrong from now on
  kLeave,         // a machine's user takes it out of the run
  kTwoAtOnce,
  kNumFaults,
};
inline constexpr int kNumFaults = static_cast<int>(Fault::kNumFaults);
const char* name_of(Fault fault);

inline constexpr int64_t kMaxShards = 8;

struct Scenario {
  uint64_t seed = 0;
  int64_t num_machines = 1;
  int64_t ranks = 2;  // wanted
  int64_t spares = 1;
  coordinator::CoordinatorOptions options;

  int64_t compute_us = 2000;  // of a shard
  int64_t delay_us = 300;     // of a message, up to
  int64_t drop_permille = 0;
  int64_t repeat_permille = 0;
  int64_t late_permille = 0;  // far later than others: reordered
  int64_t report_us = 30'000;
  int64_t hang_us = 40'000;          // without a beat: hung
  int64_t link_timeout_us = 30'000;  // a connection ends that was cut so long
  int64_t checkpoint_every = 5;
  int64_t audit_permille = 0;

  int64_t fault_every_us = 100'000;
  std::array<bool, kNumFaults> enabled{};
  int64_t num_faults = 4;      // at least, before the cluster heals
  int64_t num_messages = 200;  // at least, likewise
  bool stops = false;          // asked to, in the end
};

Scenario draw_scenario(uint64_t seed);

// One line for people.
std::string describe(const Scenario& scenario);

}  // namespace colossus::simulate
