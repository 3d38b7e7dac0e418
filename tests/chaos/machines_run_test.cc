// A run that another machine joins: the program's own processes, as a user
// starts them. That both machines are this computer shows nowhere: they share
// the run's folder, and talk over TCP.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <thread>

#include "runtime/history.h"
#include "runtime/run_coordinator.h"
#include "tests/chaos/live_run.h"

namespace colossus::tests {
namespace {

using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;

constexpr int64_t kSteps = kStepsAreSlow ? 250 : 1500;
constexpr int kPatienceSeconds = 120;  // without any news

class MachinesRunTest : public ::testing::Test {
 protected:
  MachinesRunTest()
      : root_(
            fmt::format("{}machines-run-{}", ::testing::TempDir(), getpid())) {
    std::filesystem::create_directories(root_);
  }
  ~MachinesRunTest() override {
    if (!HasFailure()) std::filesystem::remove_all(root_);
  }

  void prepare_data() {
    ASSERT_EQ(run_command({"data", "prepare", COLOSSUS_SOURCE_DIR "/docs",
                           "--out", root_ + "/data", "--vocab-size", "512"},
                          root_ + "/data.log"),
              0);
  }

  Words train_words(const std::string& folder, const Words& more) const {
    Words words = {"train", COLOSSUS_SOURCE_DIR "/configs/tiny-moe.toml",
                   "--set", "model.vocab_size=512",
                   "--set", fmt::format("data.path=\"{}/data\"", root_),
                   "--set", fmt::format("run.dir=\"{}\"", folder),
                   "--set", fmt::format("run.steps={}", kSteps),
                   "--set", "run.num_shards=8",
                   "--set", "run.checkpoint_every=200",
                   "--set", "kernels.threads=1"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  const std::string root_;
};

bool look_until(LiveRun& run, const std::function<bool()>& holds) {
  int64_t seen = -1;
  Clock::time_point news = Clock::now();
  while (Clock::now() - news < std::chrono::seconds(kPatienceSeconds)) {
    run.look();
    if (holds()) return true;
    if (run.is_over()) return false;
    if (run.counts().events != seen) news = Clock::now();
    seen = run.counts().events;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

bool await_steps(LiveRun& run, int64_t count) {
  const int64_t until = run.counts().steps + count;
  return look_until(run, [&] { return run.counts().steps >= until; });
}

// Of one more view whose ranks are on several machines, some steps.
bool await_steps_of_both(LiveRun& run) {
  const int64_t before = run.counts().views_of_machines;
  return look_until(run,
                    [&] { return run.counts().views_of_machines > before; }) &&
         await_steps(run, 3);
}

bool kill_a_rank(const LiveRun& run, bool joined) {
  for (const RunProcess& process : run.processes()) {
    if (process.role != "rank" || process.joined != joined) continue;
    return send_signal(process, SIGKILL);
  }
  return false;
}

// All of its processes, and those that they started meanwhile.
void kill_joined_machine(const LiveRun& run) {
  for (bool any = true; any;) {
    any = false;
    for (const RunProcess& process : run.processes()) {
      if (process.joined) any = send_signal(process, SIGKILL) || any;
    }
  }
}

TEST_F(MachinesRunTest, LosesNoBitWithARankOrAMachine) {
  ASSERT_NO_FATAL_FAILURE(prepare_data());
  const std::string quiet = root_ + "/quiet", folder = root_ + "/joined-run";
  ASSERT_EQ(run_command(train_words(quiet, {}), quiet + ".log"), 0);
  LiveRun run(train_words(folder, {"--ranks", "2", "--listen", "127.0.0.1:0"}),
              folder);
  ASSERT_TRUE(await_steps(run, 3));
  // With the narrow vectors of any processor, beside the widest of this one.
  const Words join = {"agent",    folder,
                      "--join",   runtime::coordinator_address(folder),
                      "--target", "avx2"};
  run.add(join);
  ASSERT_TRUE(await_steps_of_both(run));
  ASSERT_TRUE(kill_a_rank(run, true));
  ASSERT_TRUE(await_steps_of_both(run));
  ASSERT_TRUE(kill_a_rank(run, false));
  ASSERT_TRUE(await_steps_of_both(run));
  kill_joined_machine(run);
  ASSERT_TRUE(look_until(run, [&] { return run.counts().machines_lost > 0; }));
  ASSERT_TRUE(await_steps(run, 3));
  run.add(join);  // its memory is new: another machine
  ASSERT_TRUE(await_steps_of_both(run));
  ASSERT_TRUE(look_until(run, [&] { return run.is_over(); }));
  EXPECT_EQ(run.hash(), runtime::load_history(quiet).finished->hash);
}

}  // namespace
}  // namespace colossus::tests
