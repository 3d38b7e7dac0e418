// A run that another machine joins: the program's own processes, as a user
// starts them. That both machines are this computer shows nowhere: they share
// the run's folder, and talk over TCP.
#include <gtest/gtest.h>
#include <csignal>

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

class MachinesRunTest : public RunFixture {
 protected:
  MachinesRunTest() : RunFixture("machines-run") {}
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

TEST_F(MachinesRunTest, LosesNoBitWithARankOrAMachine) {
  ASSERT_NO_FATAL_FAILURE(prepare_data());
  const std::string quiet = root_ + "/quiet", folder = root_ + "/joined-run";
  ASSERT_EQ(run_command(train_words(quiet, {kSteps, kCheckpointEvery}, {}),
                        quiet + ".log"),
            0);
  LiveRun run({train_words(folder, {kSteps, kCheckpointEvery},
                           {"--ranks", "2", "--listen", "127.0.0.1:0"}),
               ""},
              folder);
  ASSERT_TRUE(await_steps(run, 3));
  // With narrow vectors, beside the widest of this processor.
  const std::string target =
      kernels::best_cpu_target() == "baseline" ? "baseline" : "avx2";
  const Words join = {"agent",    folder,
                      "--join",   runtime::coordinator_address(folder),
                      "--target", target};
  run.add({join, ""});
  ASSERT_TRUE(await_steps_of_both(run));
  ASSERT_TRUE(kill_a_rank(run, true));
  ASSERT_TRUE(await_steps_of_both(run));
  ASSERT_TRUE(kill_a_rank(run, false));
  ASSERT_TRUE(await_steps_of_both(run));
  kill_joined_machine(run);
  ASSERT_TRUE(look_until(run, [&] { return run.counts().machines_lost > 0; }));
  ASSERT_TRUE(await_steps(run, 3));
  run.add({join, ""});  // its memory is new: another machine
  ASSERT_TRUE(await_steps_of_both(run));
  ASSERT_TRUE(look_until(run, [&] { return run.is_over(); }));
  EXPECT_EQ(run.hash(), runtime::load_history(quiet).finished->hash);
}

}  // namespace
}  // namespace colossus::tests
