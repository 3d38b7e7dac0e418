#include "base/file_system_fault.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/temporary_folder.h"

namespace colossus {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(FaultFileSystem, AKilledWriteIsTornAndNothingFollows) {
  const TemporaryFolder folder;
  FaultFileSystem fs(real_file_system(), Fault::kKill, 1);
  const auto file = fs.create(folder / "a");
  EXPECT_THROW(file->append("12345678"), SimulatedKill);
  EXPECT_THROW(file->append("more"), SimulatedKill);
  EXPECT_THROW(fs.create(folder / "b"), SimulatedKill);
  EXPECT_EQ(read_file(folder / "a"), "1234");
  EXPECT_FALSE(path_exists(folder / "b"));
}

TEST(FaultFileSystem, AnAtomicWriteKilledAnywhereLeavesOldOrNew) {
  for (const Fault fault : {Fault::kKill, Fault::kPowerCut}) {
    bool saw_old = false;
    for (int64_t n = 0;; ++n) {
      const TemporaryFolder folder;
      write_file_atomically(real_file_system(), folder / "a", "old text");
      FaultFileSystem fs(real_file_system(), fault, n);
      try {
        write_file_atomically(fs, folder / "a", "the new text");
      } catch (const SimulatedKill&) {
      }
      const std::string found = read_file(folder / "a");
      EXPECT_TRUE(found == "old text" || found == "the new text") << found;
      saw_old |= found == "old text";
      if (!fs.struck()) {
        EXPECT_EQ(found, "the new text");
        EXPECT_EQ(n, 6);  // create, append, sync, close, rename, sync folder
        break;
      }
    }
    EXPECT_TRUE(saw_old);
  }
}

TEST(FaultFileSystem, APowerCutLosesWhatWasNotSynced) {
  const TemporaryFolder folder;
  FaultFileSystem fs(real_file_system(), Fault::kPowerCut, 5);
  const auto file = fs.create(folder / "a");
  file->append("synced");
  file->sync();
  file->append(" not synced");
  fs.rename(folder / "a", folder / "b");
  EXPECT_THROW(file->close(), SimulatedKill);
  EXPECT_FALSE(path_exists(folder / "b"));
  EXPECT_EQ(read_file(folder / "a"), "synced");
}

TEST(FaultFileSystem, AFullDiskStaysFullButLetsFilesGo) {
  const TemporaryFolder folder;
  FaultFileSystem fs(real_file_system(), Fault::kDiskFull, 1);
  const auto file = fs.create(folder / "a");
  EXPECT_THAT([&] { file->append("12345678"); },
              ThrowsMessage<RunError>(HasSubstr("disk full")));
  EXPECT_THROW(fs.create(folder / "b"), RunError);
  fs.remove_file(folder / "a");
  EXPECT_FALSE(path_exists(folder / "a"));
}

TEST(FaultFileSystem, AReadOnlyDiskRefusesEveryChange) {
  const TemporaryFolder folder;
  FaultFileSystem fs(real_file_system(), Fault::kReadOnly, 0);
  EXPECT_THAT([&] { fs.create(folder / "a"); },
              ThrowsMessage<UserError>(HasSubstr("Read-only")));
  EXPECT_THROW(fs.create_directories(folder / "b"), UserError);
}

TEST(FaultFileSystem, AnInputOutputErrorStrikesOnce) {
  const TemporaryFolder folder;
  FaultFileSystem fs(real_file_system(), Fault::kInputOutput, 0);
  EXPECT_THROW(fs.create(folder / "a"), RunError);
  EXPECT_NO_THROW(fs.create(folder / "a"));
  EXPECT_EQ(fs.num_operations(), 2);
}

TEST(FaultFileSystem, ATreeIsRemovedEntryByEntry) {
  const TemporaryFolder folder;
  FaultFileSystem fs(real_file_system(), Fault::kKill, 4);
  fs.create_directories(folder / "x");
  fs.create(folder / "x/a");
  fs.create(folder / "x/b");
  EXPECT_THROW(fs.remove_tree(folder / "x"), SimulatedKill);
  EXPECT_FALSE(path_exists(folder / "x/a"));
  EXPECT_TRUE(path_exists(folder / "x/b"));
}

}  // namespace
}  // namespace colossus
