// What tests of whole runs share: a folder, data, and the words of a run.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace colossus::tests {

// The tiny mixture of experts on 8 shards, trained on this project's own
// documents. The folder stays for a look where the test failed.
class RunFixture : public ::testing::Test {
 protected:
  explicit RunFixture(const std::string& name);
  ~RunFixture() override;

  void prepare_data();

  struct Size {
    int64_t steps = 0;
    int64_t checkpoint_every = 0;
    int64_t threads = 1;
  };
  // Of a `train` into `folder`.
  std::vector<std::string> train_words(
      const std::string& folder, const Size& size,
      const std::vector<std::string>& more) const;

  const std::string root_;
};

}  // namespace colossus::tests
