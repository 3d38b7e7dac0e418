// What is done to a run, drawn from a seed. Moments are counted in events of
// the run's journal, never in seconds, so that a seed means the same on any
// machine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace colossus::tests {

enum class Target { kRank, kTwoRanks, kAgent, kCoordinator, kViewer, kResize };
enum class Blow { kKill, kStop, kStopAndGoOn, kStopUntilNextEvent };

// When, counted from the blow before.
enum class Moment {
  kSteps,        // after some steps
  kPrepare,      // as soon as the next view change begins
  kView,         // as soon as the next view begins
  kRankStarted,  // as soon as another rank was started
};

struct Fault {
  Moment moment = Moment::kSteps;
  // Of kSteps. The others come after a few more than these at the latest, since
  // their event may never come.
  int64_t steps = 1;
  Target target = Target::kRank;
  Blow blow = Blow::kKill;
  double victim = 0;  // where among those that live, in [0, 1)
  int64_t ranks = 1;  // of kResize
};

// Between blows, at least one step is made in every three.
std::vector<Fault> draw_faults(uint64_t seed, int64_t count, int64_t max_steps);
// One, two or three ranks, and up to two spares.
int64_t draw_ranks(uint64_t seed);
int64_t draw_spares(uint64_t seed);

std::string text_of(const Fault& fault);

}  // namespace colossus::tests
