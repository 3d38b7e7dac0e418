// A run that another machine joins and leaves: the program's own processes, as
// a user starts them. That both machines are this computer shows nowhere: they
// share the run's folder, and talk over TCP.
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>
#include <thread>

#include "base/file_system.h"
#include "runtime/history.h"
#include "runtime/run_coordinator.h"
#include "tests/chaos/live_run.h"

namespace colossus::tests {
namespace {

using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;

constexpr int kPatienceSeconds = 120;  // without any news

// With a run that nothing disturbs, for its bits.
class MachinesRunTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    root_ = fmt::format("{}machines-run-{}", ::testing::TempDir(), getpid());
    std::filesystem::create_directories(root_);
    ASSERT_EQ(run_command({"data", "prepare", COLOSSUS_SOURCE_DIR "/docs",
                           "--out", root_ + "/data", "--vocab-size", "512"},
                          root_ + "/data.log"),
              0);
    const std::string quiet = root_ + "/quiet";
    ASSERT_EQ(run_command(train_words(quiet, {}), quiet + ".log"), 0);
    quiet_hash_ = runtime::load_history(quiet).finished->hash;
  }
  static void TearDownTestSuite() {
    const auto* suite =
        ::testing::UnitTest::GetInstance()->current_test_suite();
    if (!suite->Failed()) std::filesystem::remove_all(root_);
  }

  static Words train_words(const std::string& folder, const Words& more) {
    Words words = {"train", COLOSSUS_SOURCE_DIR "/configs/tiny-moe.toml",
                   "--set", "model.vocab_size=512",
                   "--set", fmt::format("data.path=\"{}/data\"", root_),
                   "--set", fmt::format("run.dir=\"{}\"", folder),
                   "--set", "run.steps=1500",
                   "--set", "run.num_shards=8",
                   "--set", "run.checkpoint_every=200",
                   "--set", "kernels.threads=1"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  static Words shared_words(const std::string& folder) {
    return train_words(folder, {"--ranks", "2", "--listen", "127.0.0.1:0"});
  }

  static inline std::string root_, quiet_hash_;
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

bool has_joined_processes(const LiveRun& run) {
  const std::vector<RunProcess> all = run.processes();
  return std::any_of(all.begin(), all.end(),
                     [](const RunProcess& process) { return process.joined; });
}

// The exit code of the agent `pid` that joined, which a signal of this kind
// goes to until it ends, or once. -1: it does not end.
int end_agent(LiveRun& run, pid_t pid, int signal, bool again_and_again) {
  ::kill(pid, signal);
  std::optional<int> code;
  const bool ended = look_until(run, [&] {
    code = run.code_of_added(pid);
    if (!code && again_and_again) ::kill(pid, signal);
    return code.has_value();
  });
  return ended ? *code : -1;
}

std::string text_of_file(const std::string& path) {
  return path_exists(path) ? read_file(path) : "";
}

TEST_F(MachinesRunTest, LosesNoBitWithARankOrAMachine) {
  const std::string folder = root_ + "/joined-run";
  LiveRun run(shared_words(folder), folder);
  ASSERT_TRUE(await_steps(run, 3));
  const Words join = {"agent", folder, "--join",
                      runtime::coordinator_address(folder)};
  run.add(join, run.log_path());
  ASSERT_TRUE(await_steps_of_both(run));
  ASSERT_TRUE(kill_a_rank(run, true));
  ASSERT_TRUE(await_steps_of_both(run));
  ASSERT_TRUE(kill_a_rank(run, false));
  ASSERT_TRUE(await_steps_of_both(run));
  kill_joined_machine(run);
  ASSERT_TRUE(look_until(run, [&] { return run.counts().machines_lost > 0; }));
  ASSERT_TRUE(await_steps(run, 3));
  run.add(join, run.log_path());  // its memory is new: another machine
  ASSERT_TRUE(await_steps_of_both(run));
  ASSERT_TRUE(look_until(run, [&] { return run.is_over(); }));
  EXPECT_EQ(run.hash(), quiet_hash_);
}

TEST_F(MachinesRunTest, GoesOnWithoutAMachineThatItsUserTakesOut) {
  const std::string folder = root_ + "/left-run", log = root_ + "/agent.log";
  LiveRun run(shared_words(folder), folder);
  ASSERT_TRUE(await_steps(run, 3));
  const Words join = {"agent", folder, "--join",
                      runtime::coordinator_address(folder)};
  for (const int signal : {SIGINT, SIGTERM}) {
    const pid_t agent = run.add(join, log);
    ASSERT_TRUE(await_steps_of_both(run));
    ASSERT_EQ(end_agent(run, agent, signal, false), 0);
    EXPECT_FALSE(has_joined_processes(run));
    ASSERT_TRUE(await_steps(run, 3));
  }
  EXPECT_EQ(run.counts().machines_left, 2);
  EXPECT_EQ(run.counts().machines_lost, 0);
  EXPECT_EQ(run.counts().ranks_lost, 0);
  EXPECT_NE(text_of_file(log).find("this machine is out of the run"),
            std::string::npos);
  // At once: as if the machine was lost, and nobody starts it again.
  const pid_t agent = run.add(join, log);
  ASSERT_TRUE(await_steps_of_both(run));
  ASSERT_EQ(end_agent(run, agent, SIGINT, true), 130);
  EXPECT_FALSE(has_joined_processes(run));
  ASSERT_TRUE(look_until(run, [&] { return run.counts().machines_lost > 0; }));
  EXPECT_FALSE(has_joined_processes(run));
  ASSERT_TRUE(look_until(run, [&] { return run.is_over(); }));
  EXPECT_EQ(run.hash(), quiet_hash_);
}

}  // namespace
}  // namespace colossus::tests
