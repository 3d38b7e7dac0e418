#include "cli/stop_signal.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

namespace colossus::cli {
namespace {

TEST(StopSignal, EachSignalSetsTheFlagAndIsNamed) {
  const std::pair<int, const char*> signals[] = {
      {SIGINT, "Ctrl-C"}, {SIGTERM, "SIGTERM"}, {SIGHUP, "SIGHUP"}};
  for (const auto& [signal, name] : signals) {
    StopSignal stop;
    EXPECT_FALSE(stop.requested());
    raise(signal);
    EXPECT_TRUE(stop.requested());
    EXPECT_STREQ(stop.reason(), name);
  }
}

TEST(StopSignal, ASecondTermChangesNothing) {
  StopSignal stop;
  raise(SIGTERM);
  raise(SIGTERM);
  EXPECT_STREQ(stop.reason(), "SIGTERM");
}

void interrupt_twice() {
  StopSignal stop;
  raise(SIGINT);
  raise(SIGINT);
  std::exit(0);  // not reached
}

TEST(StopSignalDeathTest, ASecondInterruptEndsAtOnce) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(interrupt_twice(), testing::ExitedWithCode(130), "");
}

void interrupt_after_its_end() {
  { StopSignal stop; }
  raise(SIGINT);
}

TEST(StopSignalDeathTest, ItGivesTheSignalsBack) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(interrupt_after_its_end(), testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace colossus::cli
