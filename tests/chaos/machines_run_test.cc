// A run that another machine joins and leaves: the program's own processes, as
// a user starts them. That both machines are this computer shows nowhere: they
// share the run's folder, and talk over TCP.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <optional>

#include "base/file_system.h"
#include "kernels/cpu/cpu_backend.h"
#include "runtime/history.h"
#include "runtime/run_coordinator.h"
#include "tests/chaos/live_run.h"
#include "tests/chaos/run_fixture.h"

namespace colossus::tests {
namespace {

using Words = std::vector<std::string>;

constexpr int64_t kSteps = kStepsAreSlow ? 250 : 1500;
constexpr int64_t kCheckpointEvery = 200;

// With a run that nothing disturbs, for its bits.
class MachinesRunTest : public RunFixture {
 protected:
  MachinesRunTest() : RunFixture("machines-run") {}

  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(prepare_data());
    const std::string quiet = root_ + "/quiet";
    ASSERT_EQ(run_command(words(quiet, {}), quiet + ".log"), 0);
    quiet_hash_ = runtime::load_history(quiet).finished->hash;
  }

  Words words(const std::string& folder, const Words& more) const {
    return train_words(folder, {kSteps, kCheckpointEvery}, more);
  }
  Call shared_run(const std::string& folder) const {
    return {words(folder, {"--ranks", "2", "--listen", "127.0.0.1:0"}), ""};
  }
  // With narrow vectors, beside the widest of this processor.
  static Call join(const std::string& folder) {
    const std::string target =
        kernels::best_cpu_target() == "baseline" ? "baseline" : "avx2";
    return {{"agent", folder, "--join", runtime::coordinator_address(folder),
             "--target", target},
            ""};
  }

  std::string quiet_hash_;
};

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
  LiveRun run(shared_run(folder), folder);
  ASSERT_TRUE(await_steps(run, 3));
  run.add(join(folder), run.log_path());
  ASSERT_TRUE(await_steps_of_both(run));
  ASSERT_TRUE(kill_a_rank(run, true));
  ASSERT_TRUE(await_steps_of_both(run));
  ASSERT_TRUE(kill_a_rank(run, false));
  ASSERT_TRUE(await_steps_of_both(run));
  kill_joined_machine(run);
  ASSERT_TRUE(look_until(run, [&] { return run.counts().machines_lost > 0; }));
  ASSERT_TRUE(await_steps(run, 3));
  run.add(join(folder), run.log_path());  // its memory is new: another machine
  ASSERT_TRUE(await_steps_of_both(run));
  ASSERT_TRUE(look_until(run, [&] { return run.is_over(); }));
  EXPECT_EQ(run.hash(), quiet_hash_);
}

TEST_F(MachinesRunTest, GoesOnWithoutAMachineThatItsUserTakesOut) {
  const std::string folder = root_ + "/left-run", log = root_ + "/agent.log";
  LiveRun run(shared_run(folder), folder);
  ASSERT_TRUE(await_steps(run, 3));
  for (const int signal : {SIGINT, SIGTERM}) {
    const pid_t agent = run.add(join(folder), log);
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
  const pid_t agent = run.add(join(folder), log);
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
