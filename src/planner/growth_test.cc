#include "planner/growth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planner/cluster_file.h"

namespace colossus::planner {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

// Colossus: 100,000 GPUs 122 days after its start, 200,000 after 214.
const std::vector<Delivery> kColossus = {{122, 100'000}, {214, 200'000}};

// 10 tokens/s a GPU.
double ten_a_gpu(int64_t gpus) { return 10 * static_cast<double>(gpus); }

// Started on day 122: 1e6 tokens/s for 92 days are 1e6 x 92 x 86400
// = 7.9488e12. The other 4.0512e12 of 12e12 take 4.0512e12 / 2e6 / 86400
// = 23.444 days: the end is 214 + 23.444 = 237.444.
TEST(Growth, TakesInWhatIsDelivered) {
  const Growth growth = plan_growth(kColossus, 122, 12e12, ten_a_gpu, 0);
  EXPECT_TRUE(growth.ends);
  EXPECT_EQ(growth.start_day, 122);
  EXPECT_NEAR(growth.end_day, 237.4444, 1e-4);
  ASSERT_EQ(growth.phases.size(), 2U);
  EXPECT_EQ(growth.phases[0].last_day, 214);
  EXPECT_DOUBLE_EQ(growth.phases[0].num_tokens, 7.9488e12);
  EXPECT_EQ(growth.phases[1].num_devices, 200'000);
}

// Alone, the first 100,000 would take 12e12 / 1e6 / 86400 = 138.889 days, and
// 200,000 from day 214 on 69.444.
TEST(Growth, BeginsWhenTheRunOrTheFirstDeliveryDoes) {
  EXPECT_NEAR(plan_growth({kColossus[0]}, 0, 12e12, ten_a_gpu, 0).end_day,
              122 + 138.8889, 1e-4);
  const Growth late = plan_growth(kColossus, 300, 12e12, ten_a_gpu, 0);
  EXPECT_EQ(late.start_day, 300);
  EXPECT_NEAR(late.end_day, 369.4444, 1e-4);
}

// A tenth of the 92 days' tokens: 9.2 days.
TEST(Growth, EndsBeforeAGrowthThatItDoesNotNeed) {
  const Growth growth = plan_growth(kColossus, 122, 7.9488e11, ten_a_gpu, 3600);
  EXPECT_NEAR(growth.end_day, 131.2, 1e-9);
  EXPECT_EQ(growth.phases.size(), 1U);
  EXPECT_EQ(growth.resize_days, 0);
}

TEST(Growth, StandsStillWhileItGrows) {
  const Growth growth = plan_growth(kColossus, 122, 12e12, ten_a_gpu, 86400);
  EXPECT_NEAR(growth.end_day, 238.4444, 1e-4);
  EXPECT_EQ(growth.resize_days, 1);
}

TEST(Growth, WaitsForANumberThatCanTrain) {
  const auto large_only = [](int64_t gpus) {
    return gpus < 150'000 ? 0 : ten_a_gpu(gpus);
  };
  const Growth growth = plan_growth(kColossus, 122, 12e12, large_only, 3600);
  EXPECT_EQ(growth.start_day, 214);
  EXPECT_NEAR(growth.end_day, 214 + 69.4444, 1e-4);
  const Growth never =
      plan_growth({kColossus[0]}, 122, 12e12, large_only, 3600);
  EXPECT_FALSE(never.ends);
  EXPECT_THAT(never.phases, IsEmpty());
  EXPECT_THAT(growth_text(never), HasSubstr("never ends"));
}

// The first 100,000 alone: 138.889 days from day 122 on.
TEST(Growth, LeavesWhatMakesItSlowerOrImpossible) {
  for (const double second_rate : {0.0, 0.9e6, 1e6}) {
    const auto first_only = [&](int64_t gpus) {
      return gpus < 150'000 ? ten_a_gpu(gpus) : second_rate;
    };
    const Growth growth = plan_growth(kColossus, 122, 12e12, first_only, 3600);
    EXPECT_TRUE(growth.ends);
    EXPECT_NEAR(growth.end_day, 122 + 138.8889, 1e-4);
    EXPECT_EQ(growth.resize_days, 0);
    ASSERT_EQ(growth.phases.size(), 1U);
    EXPECT_EQ(growth.phases[0].num_devices, 100'000);
    EXPECT_EQ(growth.phases[0].last_day, growth.end_day);
    EXPECT_DOUBLE_EQ(growth.phases[0].num_tokens, 12e12);
    const Growth late = plan_growth(kColossus, 300, 12e12, first_only, 3600);
    EXPECT_NEAR(late.end_day, 300 + 138.8889, 1e-4);
  }
}

// Growing from day 214 takes until 224, beyond a delivery that is of no use.
TEST(Growth, GoesOnGrowingOverADelivery) {
  const std::vector<Delivery> deliveries = {
      {122, 100'000}, {214, 200'000}, {220, 300'000}};
  const auto rate = [](int64_t gpus) {
    return gpus > 200'000 ? 0 : ten_a_gpu(gpus);
  };
  const Growth growth = plan_growth(deliveries, 122, 12e12, rate, 10 * 86400.0);
  EXPECT_EQ(growth.resize_days, 10);
  EXPECT_NEAR(growth.end_day, 247.4444, 1e-4);
  ASSERT_EQ(growth.phases.size(), 2U);
  EXPECT_EQ(growth.phases[1].first_day, 224);
}

TEST(Growth, SaysTheDate) {
  const int64_t day = parse_day("2024-09-01", "here");
  const Growth growth = plan_growth({{day, 100'000}, {day + 92, 200'000}}, day,
                                    12e12, ten_a_gpu, 0);
  const std::string text = growth_text(growth);
  EXPECT_THAT(text, HasSubstr("Started on 2024-09-01"));
  EXPECT_THAT(text, HasSubstr("end on 2024-12-25, after 115.4 days"));
  EXPECT_THAT(text, HasSubstr("200000 GPUs   33.8% of the tokens"));
}

}  // namespace
}  // namespace colossus::planner
