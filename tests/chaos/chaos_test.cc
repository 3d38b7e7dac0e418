// Kills, stops and resizes a run at random moments, and demands the bits of the
// run that nothing happened to. Each history is a seed, which is printed.
//
//   COLOSSUS_CHAOS_SEED=7     the first seed; the same choices each time
//   COLOSSUS_CHAOS_MINUTES=60 further seeds until that time is over
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <thread>

#include "runtime/history.h"
#include "tests/chaos/live_run.h"
#include "tests/chaos/plan.h"
#include "tests/chaos/run_fixture.h"

namespace colossus::tests {
namespace {

constexpr int64_t kSteps = kStepsAreSlow ? 200 : 1000;
constexpr int64_t kFaults = kStepsAreSlow ? 7 : 14;
constexpr int64_t kMostStepsBetween = kStepsAreSlow ? 12 : 24;
constexpr uint64_t kSeedsInCi = kStepsAreSlow ? 1 : 3;
// A run without any news for so long stands still for good.
constexpr int kPatienceSeconds = 90;

using Clock = std::chrono::steady_clock;

int64_t number_in_environment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

std::string text_of_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class ChaosTest : public RunFixture {
 protected:
  ChaosTest() : RunFixture("chaos") {}

  std::vector<std::string> words_of(const std::string& folder, int64_t ranks,
                                    int64_t spares) const {
    return train_words(
        folder, {.steps = kSteps, .checkpoint_every = 90, .threads = 2},
        {"--ranks", std::to_string(ranks), "--spares", std::to_string(spares)});
  }

  // What nothing happened to.
  const runtime::RunHistory& quiet() {
    if (!quiet_) {
      const std::string folder = root_ + "/quiet";
      EXPECT_EQ(run_command(words_of(folder, 1, 0), folder + ".log"), 0)
          << text_of_file(folder + ".log");
      quiet_ = runtime::load_history(folder);
    }
    return *quiet_;
  }

  std::string folder_of(uint64_t seed) const {
    return fmt::format("{}/seed-{}-run", root_, seed);
  }
  void survive(uint64_t seed);
  void check(const LiveRun& run, const std::string& folder);

  std::optional<runtime::RunHistory> quiet_;
  int64_t num_seeds_ = 0, num_struck_ = 0;
};

// One run and what is done to it.
class Chaos {
 public:
  Chaos(LiveRun& run, const std::string& folder) : run_(run), folder_(folder) {}

  // Waits for the fault's moment and strikes. False: the run is over.
  bool inflict(const Fault& fault) {
    if (!await(fault)) return false;
    fmt::print("  step line {}: {}\n", run_.counts().steps, text_of(fault));
    if (fault.target == Target::kResize && has_coordinator()) {
      // Not waited for: it may hang on a rank that is stopped as it starts.
      run_.add(
          {{"resize", folder_, "--ranks", std::to_string(fault.ranks)}, ""},
          run_.log_path());
      return true;
    }
    const std::vector<RunProcess> victims = choose(fault);
    for (const RunProcess& victim : victims) strike(victim, fault.blow);
    num_struck_ += victims.empty() ? 0 : 1;
    return true;
  }

  int64_t num_struck() const { return num_struck_; }

  // Looks until it holds or the run is over; false, with a failure, if the
  // run stands still. Stopped for good is no news either.
  bool look_until(const std::function<bool()>& holds) {
    int64_t seen = -1;
    Clock::time_point news = Clock::now();
    for (;;) {
      run_.look();
      if (run_.is_over() || holds()) return true;
      if (run_.counts().events != seen) news = Clock::now();
      seen = run_.counts().events;
      int code = 0;
      const bool dead = run_.has_left(code) && run_.processes().empty();
      if (dead ||
          Clock::now() - news > std::chrono::seconds(kPatienceSeconds)) {
        ADD_FAILURE() << (dead ? "all of the run died" : "the run stands still")
                      << ", after event " << seen << ":\n"
                      << text_of_file(run_.log_path());
        return false;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

 private:
  bool await(const Fault& fault) {
    run_.look();
    const Counts before = run_.counts();
    const auto is_time = [&] {
      const Counts& now = run_.counts();
      const int64_t steps = now.steps - before.steps;
      switch (fault.moment) {
        case Moment::kSteps:
          return steps >= fault.steps;
        case Moment::kPrepare:
          return now.prepares > before.prepares || steps >= 9 + fault.steps;
        case Moment::kView:
          return now.views > before.views || steps >= 9 + fault.steps;
        case Moment::kRankStarted:
          return now.ranks_started > before.ranks_started ||
                 steps >= 9 + fault.steps;
      }
      return true;
    };
    return look_until(is_time) && !run_.is_over();
  }

  std::vector<RunProcess> of_role(const std::string& role) const {
    std::vector<RunProcess> found = run_.processes();
    std::erase_if(found, [&](const RunProcess& p) { return p.role != role; });
    return found;
  }

  bool has_coordinator() const { return !of_role("coordinator").empty(); }

  static std::string role_of(Target target) {
    switch (target) {
      case Target::kAgent:
        return "agent";
      case Target::kCoordinator:
        return "coordinator";
      case Target::kViewer:
        return "train";
      case Target::kRank:
      case Target::kTwoRanks:
      case Target::kResize:
        break;
    }
    return "rank";
  }

  // Where a version has no such process, a rank. While the run's coordinator
  // is `train` itself, that is not to die.
  std::vector<RunProcess> choose(const Fault& fault) const {
    std::vector<RunProcess> living = of_role(role_of(fault.target));
    if (living.empty() ||
        (fault.target == Target::kViewer && !has_coordinator())) {
      living = of_role("rank");
    }
    if (living.empty()) return {};
    const auto at =
        static_cast<size_t>(fault.victim * static_cast<double>(living.size()));
    std::rotate(living.begin(),
                living.begin() + static_cast<std::ptrdiff_t>(at), living.end());
    living.resize(std::min<size_t>(living.size(),
                                   fault.target == Target::kTwoRanks ? 2 : 1));
    return living;
  }

  void strike(const RunProcess& victim, Blow blow) {
    fmt::print("    {} {} (process {})\n", victim.role,
               victim.rank < 0 ? "" : std::to_string(victim.rank), victim.pid);
    std::fflush(stdout);
    send_signal(victim, blow == Blow::kKill ? SIGKILL : SIGSTOP);
    if (blow == Blow::kStopUntilNextEvent) {
      const int64_t seen = run_.counts().events;
      look_until([&] { return run_.counts().events > seen; });
    }
    if (blow == Blow::kStopAndGoOn || blow == Blow::kStopUntilNextEvent) {
      send_signal(victim, SIGCONT);
    }
  }

  LiveRun& run_;
  const std::string folder_;
  int64_t num_struck_ = 0;
};

void ChaosTest::check(const LiveRun& run, const std::string& folder) {
  EXPECT_EQ(run.hash(), quiet().finished->hash);
  const runtime::RunHistory history = runtime::load_history(folder);
  EXPECT_TRUE(history.warnings.empty()) << history.warnings.front();
  ASSERT_EQ(history.steps.size(), static_cast<size_t>(kSteps));
  for (size_t i = 0; i < history.steps.size(); ++i) {
    const runtime::StepMetrics& step = history.steps[i];
    EXPECT_EQ(step.step, static_cast<int64_t>(i + 1));
    EXPECT_EQ(step.loss, quiet().steps[i].loss) << "step " << step.step;
    EXPECT_EQ(step.grad_norm, quiet().steps[i].grad_norm);
  }
}

void ChaosTest::survive(uint64_t seed) {
  const int64_t ranks = draw_ranks(seed), spares = draw_spares(seed);
  fmt::print("COLOSSUS_CHAOS_SEED={}: {} ranks, {} spares\n", seed, ranks,
             spares);
  const std::string folder = folder_of(seed);
  LiveRun run({words_of(folder, ranks, spares), ""}, folder);
  Chaos chaos(run, folder);
  for (const Fault& fault : draw_faults(seed, kFaults, kMostStepsBetween)) {
    if (!chaos.inflict(fault)) break;
  }
  ASSERT_TRUE(chaos.look_until([&] { return run.is_over(); }));
  ++num_seeds_;
  num_struck_ += chaos.num_struck();
  ASSERT_FALSE(run.hash().empty()) << text_of_file(run.log_path());
  // Nobody but the user wakes a viewer, or what an agent that is dead started
  // as a rank, and was stopped before its exec: it finds its slot given away.
  for (const RunProcess& left : run.processes()) {
    const bool was_to_be_rank =
        left.role == "agent" && !run.was_agent(left.pid);
    if (left.role == "train" || was_to_be_rank) send_signal(left, SIGCONT);
  }
  for (int look = 0; look < 10'000 && !run.processes().empty(); ++look) {
    int code = 0;
    run.has_left(code);  // a child's end is seen by waiting for it
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  for (const RunProcess& left : run.processes()) {
    ADD_FAILURE() << "process " << left.pid << " is left: " << left.role;
  }
  check(run, folder);
}

TEST_F(ChaosTest, WhateverIsKilledOrStoppedTheBitsAreThoseOfAQuietRun) {
  ASSERT_NO_FATAL_FAILURE(prepare_data());
  ASSERT_TRUE(quiet().finished.has_value());
  const auto first =
      static_cast<uint64_t>(number_in_environment("COLOSSUS_CHAOS_SEED", 1));
  const Clock::time_point until =
      Clock::now() +
      std::chrono::minutes(number_in_environment("COLOSSUS_CHAOS_MINUTES", 0));
  for (uint64_t seed = first; seed < first + kSeedsInCi || Clock::now() < until;
       ++seed) {
    survive(seed);
    if (HasFailure()) break;  // its folder stays for a look
    std::filesystem::remove_all(folder_of(seed));
  }
  // Else nothing was shown. A single run may be over sooner: it ends while a
  // coordinator that was stopped for long has nobody wait for the next fault.
  EXPECT_GE(num_struck_, num_seeds_ * kFaults / 2);
}

TEST(ChaosPlan, ASeedDrawsTheSameFaultsAndAnotherOneOthers) {
  const auto texts = [](uint64_t seed) {
    std::string text;
    for (const Fault& fault : draw_faults(seed, 30, 20)) {
      text += fmt::format("{} {}\n", text_of(fault), fault.victim);
    }
    return text;
  };
  EXPECT_EQ(texts(1), texts(1));
  EXPECT_NE(texts(1), texts(2));
}

TEST(ChaosPlan, LeavesTheRunAStepBetweenEveryThreeBlows) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    int64_t without_step = 0;
    for (const Fault& fault : draw_faults(seed, 100, 20)) {
      without_step = fault.moment == Moment::kSteps ? 0 : without_step + 1;
      EXPECT_LE(without_step, 2);
      EXPECT_GE(fault.steps, 1);
    }
  }
}

}  // namespace
}  // namespace colossus::tests
