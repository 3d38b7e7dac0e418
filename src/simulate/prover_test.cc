// Histories by seed: none may break an invariant, and every planted bug must.
// One seed by itself: build/release/prover --seed N --trace.
#include "simulate/prover.h"

#include <gtest/gtest.h>

#include <ostream>

namespace colossus::simulate {

// How the names of tests show a parameter.
void PrintTo(const NamedMutation& bug, std::ostream* out) { *out << bug.name; }

namespace {

using coordinator::Mutation;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
    !defined(__OPTIMIZE__)
constexpr uint64_t kHistories = 300;
#else
constexpr uint64_t kHistories = 5000;
#endif
// Within so many a planted bug has to show; most do within ten.
constexpr uint64_t kMostHistories = 4000;

TEST(Prover, NoHistoryBreaksAnInvariant) {
  const ProverReport report = prove(0, kHistories);
  for (const HistoryResult& failure : report.failures) {
    ADD_FAILURE() << "prover --seed " << failure.seed
                  << " --trace: " << failure.failure;
  }
}

TEST(Prover, AHistoryIsLongEnoughToMeetSomething) {
  const ProverReport report = prove(0, 300);
  EXPECT_GE(report.median_ranks, 3);
  EXPECT_GE(report.median_messages, 200);
  EXPECT_GE(report.median_faults, 3);
}

TEST(Prover, HistoriesMeetCutLinksAndTheLimitOfLosses) {
  const ProverReport report = prove(0, 300);
  EXPECT_GE(report.num_broken, 100);
  EXPECT_GE(report.num_gave_up, 3);
  EXPECT_LE(report.num_gave_up, 30);  // the others go on
}

TEST(Prover, ASeedReplaysExactly) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const HistoryResult a = run_history(seed);
    const HistoryResult b = run_history(seed);
    EXPECT_EQ(a.num_messages, b.num_messages);
    EXPECT_EQ(a.num_views, b.num_views);
    EXPECT_EQ(a.num_steps, b.num_steps);
    EXPECT_EQ(a.simulated_us, b.simulated_us);
  }
}

TEST(Prover, AFailingSeedReplaysExactly) {
  const HistoryResult a = first_failure(0, 100, Mutation::kCommitWithoutBackup);
  ASSERT_FALSE(a.failure.empty());
  const HistoryResult b = run_history(a.seed, Mutation::kCommitWithoutBackup);
  EXPECT_EQ(a.failure, b.failure);
  EXPECT_EQ(a.simulated_us, b.simulated_us);
}

class PlantedBug : public testing::TestWithParam<NamedMutation> {};

TEST_P(PlantedBug, IsFound) {
  const HistoryResult result =
      first_failure(0, kMostHistories, GetParam().mutation);
  EXPECT_FALSE(result.failure.empty()) << GetParam().name;
}

INSTANTIATE_TEST_SUITE_P(Prover, PlantedBug, testing::ValuesIn(all_mutations()),
                         [](const auto& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace colossus::simulate
