// A run of two machines, each in a network namespace with an address of its
// own, while the link between them is cut, in both directions or in one, slowed
// and healed. Skipped where namespaces cannot be made (that takes root and
// iproute2).
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>

#include "runtime/history.h"
#include "runtime/run_coordinator.h"
#include "tests/chaos/live_run.h"
#include "tests/chaos/run_fixture.h"

namespace colossus::tests {
namespace {

constexpr int64_t kSteps = kStepsAreSlow ? 300 : 3000;
constexpr int64_t kCheckpointEvery = 500;
constexpr const char* kNobody = "02:00:00:00:00:99";  // an address of no card

// What it prints is for who looks into a failure only.
bool shell(const std::string& command) {
  return ::system((command + " 2>/dev/null").c_str()) == 0;  // NOLINT
}

// Two namespaces with a cable between them.
class Cable {
 public:
  Cable()
      : ends_{fmt::format("colossus-a-{}", ::getpid()),
              fmt::format("colossus-b-{}", ::getpid())} {
    made_ = shell(fmt::format("ip netns add {}", ends_[0])) &&
            shell(fmt::format("ip netns add {}", ends_[1])) &&
            shell(fmt::format("ip -n {} link add eth type veth peer name eth "
                              "netns {}",
                              ends_[0], ends_[1]));
    for (int end = 0; made_ && end < 2; ++end) {
      made_ = ip(end, fmt::format("address add {}/24 dev eth", address(end))) &&
              ip(end, "link set lo up") && ip(end, "link set eth up");
    }
  }
  ~Cable() {
    for (const std::string& end : ends_) shell("ip netns del " + end);
  }
  Cable(const Cable&) = delete;
  Cable& operator=(const Cable&) = delete;

  bool is_made() const { return made_; }
  const std::string& network(int end) const { return ends_[end]; }
  static std::string address(int end) { return end == 0 ? kFirst : kSecond; }

  bool cut() { return ip(0, "link set eth down"); }
  bool mend() { return ip(0, "link set eth up"); }
  // What `end` sends reaches nobody; what it is sent arrives.
  bool cut_from(int end) {
    return ip(end, fmt::format("neighbour replace {} lladdr {} dev eth nud "
                               "permanent",
                               address(1 - end), kNobody));
  }
  bool mend_from(int end) {
    return ip(end, fmt::format("neighbour del {} dev eth", address(1 - end)));
  }
  // In both directions. False: this kernel cannot.
  bool slow(const std::string& rate) {
    for (const std::string& end : ends_) {
      if (!shell(fmt::format("tc -n {} qdisc replace dev eth root tbf rate {} "
                             "burst 64kb latency 50ms",
                             end, rate))) {
        return false;
      }
    }
    return true;
  }
  bool restore_speed() {
    return shell("tc -n " + ends_[0] + " qdisc del dev eth root") &&
           shell("tc -n " + ends_[1] + " qdisc del dev eth root");
  }

 private:
  static constexpr const char* kFirst = "10.77.0.1";
  static constexpr const char* kSecond = "10.77.0.2";

  bool ip(int end, const std::string& words) {
    return shell(fmt::format("ip -n {} {}", ends_[end], words));
  }

  const std::string ends_[2];
  bool made_ = false;
};

class NetworkRunTest : public RunFixture {
 protected:
  NetworkRunTest() : RunFixture("network-run") {}
};

// The other machine is lost, this one goes on, and both train together again
// once the link is whole.
void survive(LiveRun& run, const std::function<bool()>& cut,
             const std::function<bool()>& mend) {
  const int64_t lost = run.counts().machines_lost;
  ASSERT_TRUE(cut());
  ASSERT_TRUE(
      look_until(run, [&] { return run.counts().machines_lost > lost; }));
  ASSERT_TRUE(await_steps(run, 3));
  ASSERT_TRUE(mend());
  ASSERT_TRUE(await_steps_of_both(run));
}

TEST_F(NetworkRunTest, LosesNoBitWhereTheNetworkIsCutSlowedAndHealed) {
  Cable cable;
  if (!cable.is_made()) {
    GTEST_SKIP() << "no network namespace can be made here";
  }
  ASSERT_NO_FATAL_FAILURE(prepare_data());
  const std::string quiet = root_ + "/quiet", folder = root_ + "/cut-run";
  ASSERT_EQ(run_command(train_words(quiet, {kSteps, kCheckpointEvery}, {}),
                        quiet + ".log"),
            0);
  LiveRun run({train_words(folder, {kSteps, kCheckpointEvery},
                           {"--ranks", "2", "--listen", cable.address(0) + ":0",
                            "--host", cable.address(0), "--insecure-network"}),
               cable.network(0)},
              folder);
  ASSERT_TRUE(await_steps(run, 3));
  run.add({{"agent", folder, "--join", runtime::coordinator_address(folder),
            "--host", cable.address(1), "--insecure-network"},
           cable.network(1)},
          run.log_path());
  ASSERT_TRUE(await_steps_of_both(run));

  SCOPED_TRACE(run.log_path());
  ASSERT_NO_FATAL_FAILURE(survive(
      run, [&] { return cable.cut(); }, [&] { return cable.mend(); }));
  for (const int end : {0, 1}) {
    SCOPED_TRACE(fmt::format("cut from machine {}", end));
    ASSERT_NO_FATAL_FAILURE(survive(
        run, [&] { return cable.cut_from(end); },
        [&] { return cable.mend_from(end); }));
  }
  if (cable.slow("30mbit")) {
    ASSERT_TRUE(await_steps(run, 5));
    ASSERT_TRUE(cable.restore_speed());
  } else {
    fmt::print("the link was not slowed: this kernel cannot\n");
  }
  ASSERT_TRUE(look_until(run, [&] { return run.is_over(); }));
  EXPECT_EQ(run.hash(), runtime::load_history(quiet).finished->hash);
}

}  // namespace
}  // namespace colossus::tests
