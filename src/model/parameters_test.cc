#include "model/parameters.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "base/thread_pool.h"
#include "config/model_counts.h"
#include "model/model_testing.h"

namespace colossus::model {
namespace {

TEST(ParameterList, CountsWhatTheConfigsCounterCounts) {
  for (const auto& config : {small_config(), grok2_config(), dense_config()}) {
    EXPECT_EQ(ParameterList(config).count(),
              config::count_model(config).total_parameters);
  }
}

TEST(ParameterList, GrokOneHasThePublishedNumberOfParameters) {
  config::ModelConfig c;
  c.vocab_size = 131072;
  c.model_dim = 6144;
  c.num_layers = 64;
  c.num_q_heads = 48;
  c.num_kv_heads = 8;
  c.head_dim = 128;
  c.expert_ffn_dim = 32768;
  c.num_experts = 8;
  EXPECT_EQ(ParameterList(c).count(), 315684820992);
}

TEST(ParameterList, TensorsFollowOneAnotherWithoutGaps) {
  const ParameterList list(grok2_config());
  int64_t next = 0;
  for (const tensor::TensorEntry& t : list.layout()) {
    EXPECT_EQ(t.offset, next) << t.name;
    next += t.num_elements();
  }
  EXPECT_EQ(next, list.count());
}

TEST(ParameterList, SlicesAreEqualAndWholeVectors) {
  const ParameterList list(small_config());
  for (const int64_t shards : {1, 2, 8}) {
    const int64_t padded = list.padded_count(shards);
    EXPECT_GE(padded, list.count());
    EXPECT_LT(padded, list.count() + 16 * shards);
    EXPECT_EQ(padded % (16 * shards), 0);
  }
}

TEST(Initialize, DoesNotDependOnThreads) {
  const ParameterList list(small_config());
  const int64_t count = list.padded_count(1);
  std::vector<float> one(static_cast<size_t>(count)), three = one;
  ThreadPool pool_one(1), pool_three(3);
  initialize(list, 5, 0, one, pool_one);
  initialize(list, 5, 0, three, pool_three);
  EXPECT_EQ(one, three);
}

TEST(Initialize, GivesAPartWhatTheWholeHasThere) {
  const ParameterList list(small_config());
  const int64_t count = list.padded_count(4);
  std::vector<float> whole(static_cast<size_t>(count));
  ThreadPool pool(2);
  initialize(list, 5, 0, whole, pool);
  for (const int64_t size : {count / 4, int64_t{1}, int64_t{333}}) {
    std::vector<float> part(static_cast<size_t>(size));
    for (int64_t first = 0; first + size <= count; first += size + count / 7) {
      initialize(list, 5, first, part, pool);
      EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + first))
          << "from " << first;
    }
  }
}

TEST(Initialize, GivesMatricesTheirSpreadAndScalesOnes) {
  const ParameterList list(small_config());
  const int64_t count = list.padded_count(1);
  std::vector<float> w(static_cast<size_t>(count));
  ThreadPool pool(1);
  initialize(list, 5, 0, w, pool);
  for (size_t i = 0; i < list.layout().size(); ++i) {
    const tensor::TensorEntry& t = list.layout()[i];
    double squares = 0;
    for (int64_t at = 0; at < t.num_elements(); ++at) {
      const double x = double{w[static_cast<size_t>(t.offset + at)]};
      squares += x * x;
    }
    const double rms =
        std::sqrt(squares / static_cast<double>(t.num_elements()));
    const double expected = list.init_std(i) == 0 ? 1 : list.init_std(i);
    EXPECT_NEAR(rms, expected, 0.15 * expected) << t.name;
  }
}

}  // namespace
}  // namespace colossus::model
