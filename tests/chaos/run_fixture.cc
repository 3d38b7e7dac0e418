#include "tests/chaos/run_fixture.h"

#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>

#include "base/file_system.h"
#include "tests/chaos/live_run.h"

namespace colossus::tests {

RunFixture::RunFixture(const std::string& name)
    : root_(fmt::format("{}{}-{}", ::testing::TempDir(), name, getpid())) {
  std::filesystem::create_directories(root_);
}

RunFixture::~RunFixture() {
  if (!HasFailure()) std::filesystem::remove_all(root_);
}

void RunFixture::prepare_data() {
  const std::string log = root_ + "/data.log";
  ASSERT_EQ(run_command({"data", "prepare", COLOSSUS_SOURCE_DIR "/docs",
                         "--out", root_ + "/data", "--vocab-size", "512"},
                        log),
            0)
      << read_file(log);
}

std::vector<std::string> RunFixture::train_words(
    const std::string& folder, const Size& size,
    const std::vector<std::string>& more) const {
  std::vector<std::string> words = {
      "train", COLOSSUS_SOURCE_DIR "/configs/tiny-moe.toml",
      "--set", "model.vocab_size=512",
      "--set", fmt::format("data.path=\"{}/data\"", root_),
      "--set", fmt::format("run.dir=\"{}\"", folder),
      "--set", fmt::format("run.steps={}", size.steps),
      "--set", "run.num_shards=8",
      "--set", fmt::format("run.checkpoint_every={}", size.checkpoint_every),
      "--set", fmt::format("kernels.threads={}", size.threads)};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace colossus::tests
