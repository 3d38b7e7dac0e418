#include "data/sampler.h"

#include <gtest/gtest.h>

#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "data/document_windows.h"
#include "data/permutation.h"
#include "data/token_file_writer.h"

namespace colossus::data {
namespace {

// Document i is 0, then its content, then 1; content tokens are all different.
class Stream {
 public:
  explicit Stream(const std::vector<int64_t>& lengths) {
    TokenFileWriter writer(real_file_system(), folder_ / "t", 60'000, {});
    int32_t next = 2;
    for (const int64_t length : lengths) {
      std::vector<int32_t> tokens = {0};
      for (int64_t i = 0; i < length; ++i) tokens.push_back(next++);
      tokens.push_back(1);
      all_.insert(all_.end(), tokens.begin(), tokens.end());
      writer.add_document(tokens, length);
    }
    writer.finish();
    file_.emplace(folder_ / "t");
  }
  const TokenFile& file() const { return *file_; }
  const std::vector<int32_t>& all() const { return all_; }

 private:
  TemporaryFolder folder_;
  std::vector<int32_t> all_;
  std::optional<TokenFile> file_;
};

TEST(Permutation, IsABijectionForEverySize) {
  for (const uint64_t size : {1, 2, 3, 4, 5, 7, 16, 17, 100, 1000, 4097}) {
    const Permutation permutation(size, 3, 4);
    std::vector<bool> hit(size);
    for (uint64_t i = 0; i < size; ++i) {
      const uint64_t to = permutation(i);
      ASSERT_LT(to, size);
      ASSERT_FALSE(hit[to]);
      hit[to] = true;
    }
  }
}

TEST(Permutation, MixesAndDependsOnItsKeys) {
  constexpr uint64_t kSize = 10'000;
  const Permutation a(kSize, 1, 1), b(kSize, 1, 2), c(kSize, 2, 1);
  int same_ab = 0, same_ac = 0, fixed = 0, neighbours = 0;
  for (uint64_t i = 0; i + 1 < kSize; ++i) {
    same_ab += a(i) == b(i);
    same_ac += a(i) == c(i);
    fixed += a(i) == i;
    neighbours += a(i + 1) == a(i) + 1;
  }
  for (const int count : {same_ab, same_ac, fixed, neighbours}) {
    EXPECT_LT(count, 20);  // about 1 expected
  }
}

TEST(Sampler, GivesWindowsOfTheRingWithTargetsOneFurther) {
  const Stream stream({100, 57, 3, 240});
  const Sampler sampler(stream.file(), 5, 16, 8, 4);
  std::vector<int32_t> inputs(16), targets(16);
  for (int64_t step = 0; step < 30; ++step) {
    sampler.fill(step, step % 4, step % 2, inputs, targets);
    const int64_t begin = sampler.window_begin(step, step % 4, step % 2);
    for (int64_t t = 0; t < 16; ++t) {
      const size_t size = stream.all().size();
      ASSERT_EQ(inputs[t], stream.all()[(begin + t) % size]);
      ASSERT_EQ(targets[t], stream.all()[(begin + t + 1) % size]);
    }
  }
}

TEST(Sampler, TakesEveryWindowOncePerPass) {
  const Stream stream({100, 57, 3, 240});
  const Sampler sampler(stream.file(), 5, 16, 1, 1);
  const int64_t windows = sampler.windows_per_pass();
  EXPECT_EQ(windows, static_cast<int64_t>(stream.all().size()) / 16);
  std::set<int64_t> offsets;
  for (int64_t pass = 0; pass < 4; ++pass) {
    std::set<int64_t> begins, inputs_at;
    for (int64_t i = 0; i < windows; ++i) {
      begins.insert(sampler.window_begin(pass * windows + i, 0, 0));
    }
    EXPECT_EQ(static_cast<int64_t>(begins.size()), windows);
    for (const int64_t begin : begins) {  // no two overlap
      for (int64_t t = 0; t < 16; ++t) {
        inputs_at.insert((begin + t) %
                         static_cast<int64_t>(stream.all().size()));
      }
    }
    EXPECT_EQ(static_cast<int64_t>(inputs_at.size()), windows * 16);
    offsets.insert(*begins.begin() % 16);
  }
  EXPECT_GT(offsets.size(), 1u);
}

TEST(Sampler, GivesTheSameGlobalBatchForAnyNumberOfShards) {
  const Stream stream({300, 500});
  const Sampler one(stream.file(), 9, 16, 8, 1);
  for (const int64_t shards : {2, 4, 8}) {
    const Sampler many(stream.file(), 9, 16, 8, shards);
    for (int64_t step = 0; step < 20; ++step) {
      for (int64_t i = 0; i < 8; ++i) {
        const int64_t rows = 8 / shards;
        ASSERT_EQ(many.window_begin(step, i / rows, i % rows),
                  one.window_begin(step, 0, i));
      }
    }
  }
}

TEST(Sampler, DependsOnTheSeed) {
  const Stream stream({300, 500});
  const Sampler a(stream.file(), 1, 16, 8, 1), b(stream.file(), 2, 16, 8, 1);
  int same = 0;
  for (int64_t i = 0; i < 8; ++i) {
    same += a.window_begin(0, 0, i) == b.window_begin(0, 0, i);
  }
  EXPECT_LT(same, 8);
}

TEST(Sampler, RefusesAFileShorterThanAWindow) {
  const Stream stream({10});
  EXPECT_THROW(Sampler(stream.file(), 1, 12, 1, 1), UserError);
  const Sampler fits(stream.file(), 1, 11, 1, 1);
  EXPECT_EQ(fits.windows_per_pass(), 1);
}

TEST(DocumentWindows, ScoresEveryTokenOnceFromTheTokenBeforeIt) {
  const Stream stream({100, 1, 15, 16, 14, 47, 64});
  for (const int64_t seq_len : {1, 2, 16, 1000}) {
    const DocumentWindows windows(stream.file(), seq_len);
    std::vector<int32_t> inputs(seq_len), targets(seq_len);
    std::map<int32_t, int> scored;
    int64_t total = 0;
    int64_t next = 0;  // of the stream: its tokens come in order
    int64_t document = -1;
    for (int64_t i = 0; i < windows.size(); ++i) {
      const auto window = windows.fill(i, inputs, targets);
      ASSERT_GE(window.num_targets, 1);
      if (window.document != document) {
        ASSERT_EQ(window.document, ++document);
        ASSERT_EQ(inputs[0], 0);
        next = stream.file().document(document).token_begin;
      }
      for (int64_t t = 0; t < seq_len; ++t) {
        if (t >= window.num_targets) {
          ASSERT_EQ(inputs[t], 0);
          ASSERT_EQ(targets[t], -1);
          continue;
        }
        ASSERT_EQ(inputs[t], stream.all()[next]);
        ASSERT_EQ(targets[t], stream.all()[++next]);
        ++scored[targets[t]];
        ++total;
      }
    }
    EXPECT_EQ(total, windows.num_targets());
    EXPECT_EQ(total, static_cast<int64_t>(stream.all().size()) - 7);
    EXPECT_EQ(scored[1], 7);  // every end
    EXPECT_EQ(scored.count(0), 0u);
    scored.erase(1);
    for (const auto& [token, count] : scored) EXPECT_EQ(count, 1) << token;
  }
}

TEST(DocumentWindows, IsEmptyWithoutDocuments) {
  const Stream stream({});
  EXPECT_EQ(DocumentWindows(stream.file(), 16).size(), 0);
}

}  // namespace
}  // namespace colossus::data
