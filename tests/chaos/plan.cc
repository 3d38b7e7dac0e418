#include "tests/chaos/plan.h"

#include <fmt/core.h>

#include <array>

#include "base/random.h"

namespace colossus::tests {
namespace {

// Numbers one after the other.
class Draws {
 public:
  Draws(uint64_t seed, std::string_view stream)
      : seed_(seed), stream_(stream_of(stream)) {}

  double uniform() { return random_uniform(seed_, stream_, index_++); }
  int64_t below(int64_t count) {
    return static_cast<int64_t>(uniform() * static_cast<double>(count));
  }
  template <typename T, size_t N>
  T one_of(const std::array<T, N>& choices) {
    return choices.at(static_cast<size_t>(below(N)));
  }

 private:
  const uint64_t seed_, stream_;
  uint64_t index_ = 0;
};

// Each as often as it stands there.
constexpr std::array kTargets = {
    Target::kRank,        Target::kRank,        Target::kRank,
    Target::kRank,        Target::kRank,        Target::kRank,
    Target::kTwoRanks,    Target::kAgent,       Target::kAgent,
    Target::kCoordinator, Target::kCoordinator, Target::kViewer,
    Target::kResize,      Target::kResize};
constexpr std::array kBlows = {Blow::kKill,        Blow::kKill,
                               Blow::kKill,        Blow::kStop,
                               Blow::kStopAndGoOn, Blow::kStopUntilNextEvent};
constexpr std::array kMoments = {Moment::kSteps, Moment::kSteps,
                                 Moment::kPrepare, Moment::kView,
                                 Moment::kRankStarted};

const char* name_of(Target target) {
  static constexpr std::array kNames = {"a rank",      "two ranks", "the agent",
                                        "coordinator", "viewer",    "resize"};
  return kNames.at(static_cast<size_t>(target));
}

const char* name_of(Blow blow) {
  static constexpr std::array kNames = {"kill", "stop", "stop and go on",
                                        "stop until the next event"};
  return kNames.at(static_cast<size_t>(blow));
}

const char* name_of(Moment moment) {
  static constexpr std::array kNames = {"steps", "prepare", "view",
                                        "rank started"};
  return kNames.at(static_cast<size_t>(moment));
}

}  // namespace

std::vector<Fault> draw_faults(uint64_t seed, int64_t count,
                               int64_t max_steps) {
  Draws draws(seed, "faults");
  std::vector<Fault> faults;
  int64_t without_step = 0;
  for (int64_t i = 0; i < count; ++i) {
    Fault fault;
    fault.moment = draws.one_of(kMoments);
    if (fault.moment == Moment::kSteps || without_step == 2) {
      fault.moment = Moment::kSteps;
      without_step = 0;
    } else {
      ++without_step;
    }
    fault.steps = 1 + draws.below(max_steps);
    fault.target = draws.one_of(kTargets);
    fault.blow = draws.one_of(kBlows);
    fault.victim = draws.uniform();
    fault.ranks = 1 + draws.below(4);
    faults.push_back(fault);
  }
  return faults;
}

int64_t draw_ranks(uint64_t seed) { return 1 + Draws(seed, "ranks").below(3); }

int64_t draw_spares(uint64_t seed) { return Draws(seed, "spares").below(3); }

std::string text_of(const Fault& fault) {
  if (fault.target == Target::kResize) {
    return fmt::format("{} ({}): resize to {} ranks", name_of(fault.moment),
                       fault.steps, fault.ranks);
  }
  return fmt::format("{} ({}): {} {}", name_of(fault.moment), fault.steps,
                     name_of(fault.blow), name_of(fault.target));
}

}  // namespace colossus::tests
