#include "checkpoint/run_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>

#include "base/error.h"
#include "base/file_system.h"
#include "base/temporary_folder.h"

namespace colossus::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(RunLock, ASecondHolderIsToldWhoTheFirstIs) {
  const TemporaryFolder folder;
  const RunLock lock(folder.path());
  EXPECT_THAT([&] { RunLock second(folder.path()); },
              ThrowsMessage<UserError>(
                  AllOf(HasSubstr(folder.path()),
                        HasSubstr(fmt::format("process {};", ::getpid())))));
}

TEST(RunLock, IsFreeWhenItsHolderLetsGo) {
  const TemporaryFolder folder;
  { const RunLock first(folder.path()); }
  EXPECT_NO_THROW(RunLock second(folder.path()));
}

TEST(RunLock, IsFreeWhenItsHolderIsKilled) {
  const TemporaryFolder folder;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const RunLock lock(folder.path());
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(read_file(folder / "lock"), fmt::format("{}\n", child));
  EXPECT_NO_THROW(RunLock mine(folder.path()));
}

TEST(RunLock, NonsenseInTheFileIsNotPrinted) {
  const TemporaryFolder folder;
  const RunLock lock(folder.path());
  const auto file = real_file_system().open_append(folder / "lock");
  file->append("\x1b[31m");
  EXPECT_THAT([&] { RunLock second(folder.path()); },
              ThrowsMessage<UserError>(HasSubstr("another process")));
}

TEST(RunLock, AMissingFolderIsAUserError) {
  const TemporaryFolder folder;
  EXPECT_THROW(RunLock lock(folder / "missing"), UserError);
}

}  // namespace
}  // namespace colossus::checkpoint
