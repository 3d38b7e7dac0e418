#include "runtime/abrupt_end.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace colossus::runtime {
namespace {

using ::testing::HasSubstr;

class AbruptEnd : public ::testing::Test {
 protected:
  AbruptEnd() {
    folder_ = ::testing::TempDir() + "abrupt_end_" + std::to_string(getpid());
    std::filesystem::create_directories(folder_);
  }
  ~AbruptEnd() override { std::filesystem::remove_all(folder_); }

  void leave_mark(int64_t pid, const OomTraces& then) {
    RunningMark(real_file_system(), folder_, pid, then);
  }
  std::string folder_;
};

TEST_F(AbruptEnd, IsSilentAfterAnEndInOrder) {
  RunningMark mark(real_file_system(), folder_, 42, {"boot", 0, ""});
  mark.remove();
  EXPECT_EQ(explain_abrupt_end(folder_, {"boot", 5, ""}), "");
}

TEST_F(AbruptEnd, NamesTheOutOfMemoryKillerFromTheKernelsLog) {
  leave_mark(42, {"boot", 0, ""});
  const std::string log = "Out of memory: Killed process 42 (colossus) total";
  EXPECT_THAT(explain_abrupt_end(folder_, {"boot", 1, log}),
              HasSubstr("was ended by the kernel's out-of-memory killer"));
}

TEST_F(AbruptEnd, DoesNotTakeAnotherProcesssKillForItsOwn) {
  leave_mark(42, {"boot", 1, ""});
  const std::string log = "Out of memory: Killed process 421 (other) total";
  EXPECT_THAT(explain_abrupt_end(folder_, {"boot", 1, log}),
              HasSubstr("kill -9"));
}

TEST_F(AbruptEnd, SaysProbablyWhereOnlyTheCounterRose) {
  leave_mark(42, {"boot", 3, ""});
  EXPECT_THAT(explain_abrupt_end(folder_, {"boot", 4, ""}),
              HasSubstr("probably"));
}

TEST_F(AbruptEnd, TellsARestartOfTheMachineApart) {
  leave_mark(42, {"boot", 3, ""});
  EXPECT_THAT(explain_abrupt_end(folder_, {"other", 0, ""}),
              HasSubstr("started anew"));
}

TEST_F(AbruptEnd, SurvivesADamagedMark) {
  write_file_atomically(real_file_system(), folder_ + "/running.json", "{\"p");
  EXPECT_NE(explain_abrupt_end(folder_, {"boot", 0, ""}), "");
}

}  // namespace
}  // namespace colossus::runtime
