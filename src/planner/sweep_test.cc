#include "planner/sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "planner/plan_testing.h"

namespace colossus::planner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string error_of(const std::string& text) {
  try {
    parse_sweep(text);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(Sweep, MultipliesFromOneEndToTheOther) {
  const SweepValues values = parse_sweep("cluster.gpus=8192:262144:x2");
  EXPECT_EQ(values.key, "cluster.gpus");
  EXPECT_THAT(values.texts, ElementsAre("8192", "16384", "32768", "65536",
                                        "131072", "262144"));
  EXPECT_TRUE(values.is_multiplied);
}

TEST(Sweep, AddsWithTheUnitOfItsEnds) {
  const SweepValues values =
      parse_sweep("node.nic=100 Gb/s:400 Gb/s:+100 Gb/s");
  EXPECT_THAT(values.texts,
              ElementsAre("100 Gb/s", "200 Gb/s", "300 Gb/s", "400 Gb/s"));
  EXPECT_EQ(values.unit, "Gb/s");
  EXPECT_FALSE(values.is_multiplied);
  EXPECT_EQ(parse_sweep("node.nic=100 Gb/s:400 Gb/s:+100").texts, values.texts);
  EXPECT_THAT(parse_sweep("batch-tokens=4M:16M:x2").texts,
              ElementsAre("4M", "8M", "16M"));
  // The last step may fall short of the end.
  EXPECT_THAT(parse_sweep("a.b=1:6:+2").texts, ElementsAre("1", "3", "5"));
}

TEST(Sweep, TakesAListAsItIs) {
  const SweepValues values = parse_sweep("parallel.tensor=1,2,8");
  EXPECT_THAT(values.texts, ElementsAre("1", "2", "8"));
  EXPECT_THAT(values.numbers, ElementsAre(1, 2, 8));
}

TEST(Sweep, SaysWhatIsWrongWithARange) {
  EXPECT_THAT(error_of("cluster.gpus"), HasSubstr("write it as KEY=FROM:TO:x"));
  EXPECT_THAT(error_of("cluster.gpus="), HasSubstr("write it as KEY="));
  EXPECT_THAT(error_of("a=1:2"), HasSubstr("a range is FROM:TO:STEP"));
  EXPECT_THAT(error_of("a=8:64:2"), HasSubstr("must begin with x (times)"));
  EXPECT_THAT(error_of("a=64:8:x2"), HasSubstr("never reaches 8"));
  EXPECT_THAT(error_of("a=8:64:x1"), HasSubstr("from 8 by x1"));
  EXPECT_THAT(error_of("a=8:64:+0"), HasSubstr("never reaches"));
  EXPECT_THAT(error_of("a=1:1000000:+1"), HasSubstr("more than 200 values"));
  EXPECT_THAT(error_of("a=100 Gb/s:1 TB/s:x2"), HasSubstr("different units"));
  EXPECT_THAT(error_of("a=1 GB:9 GB:+1 MB"), HasSubstr("the step's unit 'MB'"));
  EXPECT_THAT(error_of("a=few,many"), HasSubstr("'few' is no number"));
  EXPECT_THAT(error_of("a=1 GB,2 TB"), HasSubstr("another unit"));
}

TEST(Sweep, PlansEachValueAndSaysWhyThereIsNone) {
  ThreadPool pool(2);
  const Sweep sweep =
      run_sweep(small_flags(), parse_sweep("parallel.tensor=1,2,5"), pool);
  ASSERT_EQ(sweep.points.size(), 3U);
  EXPECT_EQ(sweep.points[0].plan->layouts.front().layout.tensor, 1);
  EXPECT_EQ(sweep.points[1].plan->layouts.front().layout.tensor, 2);
  EXPECT_FALSE(sweep.points[2].plan);
  EXPECT_NE(sweep.points[2].why_not, "");
}

TEST(Sweep, TakesAPointThatIsKnownAsItIs) {
  ThreadPool pool(2);
  SweepPoint known = {"32", 32, plan_of(small_flags()), ""};
  known.plan->warnings = {"known"};
  const Sweep sweep = run_sweep(
      small_flags(), parse_sweep("cluster.gpus=16:64:x2"), pool, &known);
  ASSERT_EQ(sweep.points.size(), 3U);
  EXPECT_EQ(sweep.points[1].plan->warnings, known.plan->warnings);
  EXPECT_NE(sweep.points[0].plan->warnings, known.plan->warnings);
  EXPECT_EQ(sweep.points[2].plan->request.cluster.cluster.num_devices, 64);
}

TEST(Sweep, ChangesTheClusterAndTheRequestItself) {
  ThreadPool pool(2);
  const Sweep gpus =
      run_sweep(small_flags(), parse_sweep("cluster.gpus=16:64:x2"), pool);
  ASSERT_EQ(gpus.points.size(), 3U);
  EXPECT_EQ(gpus.points[0].plan->request.cluster.cluster.num_devices, 16);
  EXPECT_GT(gpus.points[2].plan->layouts[0].tokens_per_second,
            gpus.points[0].plan->layouts[0].tokens_per_second);
  const Sweep batch =
      run_sweep(small_flags(), parse_sweep("batch-tokens=262144,524288"), pool);
  EXPECT_EQ(batch.points[0].plan->request.global_batch_sequences, 256);
  EXPECT_THROW(run_sweep(small_flags(), parse_sweep("cluster.gpu5=8,16"), pool),
               UserError);
}

}  // namespace
}  // namespace colossus::planner
