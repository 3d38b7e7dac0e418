#include "data/ordered_pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace colossus::data {
namespace {

using Pipeline = OrderedPipeline<int, int>;

Pipeline::Steps counting(int num_jobs, std::vector<int>& results) {
  auto next = std::make_shared<int>(0);
  return {[next, num_jobs](int& job) {
            job = (*next)++;
            return job < num_jobs;
          },
          [](const int&) { return size_t{1}; },
          [](int& job, int) { return job * job; },
          [&results](int& result) { results.push_back(result); }};
}

TEST(OrderedPipeline, ConsumesInTheOrderOfTheJobs) {
  for (const int num_threads : {1, 2, 5}) {
    std::vector<int> results;
    Pipeline(num_threads, 7, counting(500, results)).run();
    ASSERT_EQ(results.size(), 500u);
    for (int i = 0; i < 500; ++i) ASSERT_EQ(results[i], i * i);
  }
}

TEST(OrderedPipeline, HasNoMoreInFlightThanItMay) {
  std::vector<int> results;
  std::atomic<int> produced = 0, consumed = 0, most = 0;
  Pipeline::Steps steps = counting(300, results);
  const auto transform = steps.transform;
  const auto consume = steps.consume;
  steps.weight = [](const int&) { return size_t{10}; };
  steps.transform = [&](int& job, int thread) {  // what is here was let in
    const int in_flight = ++produced - consumed;
    int seen = most;
    while (in_flight > seen && !most.compare_exchange_weak(seen, in_flight)) {
    }
    return transform(job, thread);
  };
  steps.consume = [&](int& result) {
    consume(result);
    ++consumed;
  };
  Pipeline(3, 40, std::move(steps)).run();
  EXPECT_EQ(results.size(), 300u);
  EXPECT_LE(most, 4);
}

TEST(OrderedPipeline, TakesAJobThatIsHeavierThanItsBound) {
  std::vector<int> results;
  Pipeline::Steps steps = counting(20, results);
  steps.weight = [](const int&) { return size_t{1000}; };
  Pipeline(2, 10, std::move(steps)).run();
  EXPECT_EQ(results.size(), 20u);
}

TEST(OrderedPipeline, ThrowsWhatAStepThrowsBehindTheResultsBeforeIt) {
  for (int step = 0; step < 3; ++step) {
    std::vector<int> results;
    Pipeline::Steps steps = counting(100, results);
    const auto produce = steps.produce;
    const auto transform = steps.transform;
    const auto consume = steps.consume;
    auto fail = [] { throw std::runtime_error("at 50"); };
    steps.produce = [&](int& job) {
      const bool more = produce(job);
      if (step == 0 && job == 50) fail();
      return more;
    };
    steps.transform = [&](int& job, int thread) {
      if (step == 1 && job == 50) fail();
      return transform(job, thread);
    };
    steps.consume = [&](int& result) {
      if (step == 2 && result == 2500) fail();
      consume(result);
    };
    EXPECT_THROW(Pipeline(3, 8, std::move(steps)).run(), std::runtime_error);
    EXPECT_EQ(results.size(), 50u) << step;
  }
}

TEST(OrderedPipeline, EndsAtOnceWithoutJobs) {
  std::vector<int> results;
  Pipeline(2, 10, counting(0, results)).run();
  EXPECT_TRUE(results.empty());
}

}  // namespace
}  // namespace colossus::data
