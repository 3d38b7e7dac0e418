// A writer that dies, or whose disk fails, at every one of its operations: the
// next reader finds a complete older or newer checkpoint, never anything else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/error.h"
#include "base/file_system_fault.h"
#include "base/random.h"
#include "base/temporary_folder.h"
#include "checkpoint/checkpoint_reader.h"
#include "checkpoint/checkpoint_store.h"
#include "checkpoint/run_lock.h"
#include "checkpoint/test_state.h"

namespace colossus::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Retention kKeepOne = {.keep_last = 1, .keep_every = 0};

int64_t newest_step(const std::string& run) {
  std::vector<SkippedCheckpoint> skipped;
  const auto checkpoint =
      newest_good_checkpoint(run, Parts::kWeightsAndOptimizer, skipped);
  EXPECT_THAT(skipped, IsEmpty());
  if (!checkpoint) return -1;
  EXPECT_TRUE(holds_its_state(*checkpoint));
  return checkpoint->info().step;
}

// No reader may meet a half-written or half-removed checkpoint, older ones and
// those of a dead writer included.
void expect_all_sound(const std::string& run) {
  for (const int64_t step : list_checkpoints(run)) {
    EXPECT_NO_THROW(VerifiedCheckpoint(checkpoint_folder(run, step),
                                       Parts::kWeightsAndOptimizer));
  }
}

void write(FileSystem& fs, const std::string& run, int64_t step) {
  CheckpointStore store(fs, run, kKeepOne);
  TestState(step).write_to(store);
}

// What a resumed run does: open, find the newest, write the next.
void expect_goes_on(const std::string& run, int64_t next_step) {
  write(real_file_system(), run, next_step);
  EXPECT_EQ(newest_step(run), next_step);
  EXPECT_THAT(list_checkpoints(run), ElementsAre(next_step));
  EXPECT_EQ(list_directory(run + "/checkpoints").size(), 1u);
}

// Kills the writing of `step` over a run that has `old_step` at each operation
// in turn; returns how many there were.
int64_t kill_at_every_write(Fault fault, int64_t old_step, int64_t step) {
  for (int64_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    const TemporaryFolder folder;
    const std::string run = folder / "run";
    write(real_file_system(), run, old_step);
    FaultFileSystem fs(real_file_system(), fault, n);
    bool killed = false;
    try {
      write(fs, run, step);
    } catch (const SimulatedKill&) {
      killed = true;
    }
    EXPECT_EQ(killed, fs.struck());
    expect_all_sound(run);
    { CheckpointStore reopened(real_file_system(), run, kKeepOne); }
    const int64_t found = newest_step(run);
    EXPECT_TRUE(found == old_step || found == step) << found;
    if (!killed) {
      EXPECT_EQ(found, step);
      return n;
    }
    expect_goes_on(run, step + 1);
  }
}

TEST(CheckpointCrash, KilledAtEveryWriteTheOldOrTheNewIsThere) {
  EXPECT_GT(kill_at_every_write(Fault::kKill, 500, 600), 20);
}

TEST(CheckpointCrash, KilledWhileReplacingTheSameStepItIsThere) {
  EXPECT_GT(kill_at_every_write(Fault::kKill, 500, 500), 20);
}

TEST(CheckpointCrash, APowerCutAtEveryWriteLosesNothing) {
  EXPECT_GT(kill_at_every_write(Fault::kPowerCut, 500, 600), 20);
  EXPECT_GT(kill_at_every_write(Fault::kPowerCut, 500, 500), 20);
}

TEST(CheckpointCrash, KilledWhileTidyingUpTheRunStillOpens) {
  for (int64_t n = 0;; ++n) {
    const TemporaryFolder folder;
    const std::string run = folder / "run";
    write(real_file_system(), run, 500);
    FaultFileSystem dying(real_file_system(), Fault::kKill, 18);
    EXPECT_THROW(write(dying, run, 600), SimulatedKill);
    FaultFileSystem fs(real_file_system(), Fault::kKill, n);
    try {
      CheckpointStore store(fs, run, kKeepOne);
    } catch (const SimulatedKill&) {
    }
    EXPECT_EQ(newest_step(run), 500);
    expect_goes_on(run, 700);
    if (!fs.struck()) break;
  }
}

// Fails at each operation in turn: an error that says why, and what was there
// before still is.
template <typename Error>
void fail_at_every_write(Fault fault) {
  for (int64_t n = 0;; ++n) {
    SCOPED_TRACE(n);
    const TemporaryFolder folder;
    const std::string run = folder / "run";
    write(real_file_system(), run, 500);
    FaultFileSystem fs(real_file_system(), fault, n);
    try {
      write(fs, run, 600);
      EXPECT_EQ(newest_step(run), 600);
    } catch (const Error&) {
      const int64_t found = newest_step(run);
      EXPECT_TRUE(found == 500 || found == 600) << found;
    }
    if (!fs.struck()) break;
    expect_goes_on(run, 700);
  }
}

TEST(CheckpointCrash, AFullDiskAtAnyWriteLosesNothing) {
  fail_at_every_write<RunError>(Fault::kDiskFull);
}

TEST(CheckpointCrash, AReadOnlyDiskAtAnyWriteLosesNothing) {
  fail_at_every_write<UserError>(Fault::kReadOnly);
}

TEST(CheckpointCrash, AnInputOutputErrorAtAnyWriteLosesNothing) {
  fail_at_every_write<RunError>(Fault::kInputOutput);
}

TEST(CheckpointCrash, AFullDiskGetsItsRoomBack) {
  const TemporaryFolder folder;
  const std::string run = folder / "run";
  write(real_file_system(), run, 500);
  FaultFileSystem fs(real_file_system(), Fault::kDiskFull, 5);
  EXPECT_THROW(write(fs, run, 600), RunError);
  EXPECT_THAT(list_directory(run + "/checkpoints"),
              ElementsAre("step-00000500"));
}

// A process of its own writes step after step and is killed by the system in
// the middle of its n-th operation.
void run_child_until_killed(const std::string& run, int64_t n) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      const RunLock lock(run);
      FaultFileSystem fs(real_file_system(), Fault::kKill, n);
      std::vector<SkippedCheckpoint> skipped;
      CheckpointStore store(fs, run, kKeepOne);
      const auto found =
          newest_good_checkpoint(run, Parts::kWeightsAndOptimizer, skipped);
      for (int64_t step = found ? found->info().step + 1 : 0;; ++step) {
        TestState(step).write_to(store);
      }
    } catch (const SimulatedKill&) {
      ::raise(SIGKILL);
    } catch (...) {
    }
    ::_exit(3);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
}

TEST(CheckpointCrash, AProcessKilledAgainAndAgainOnlyGetsOn) {
  const TemporaryFolder folder;
  const std::string run = folder / "run";
  real_file_system().create_directories(run);
  int64_t newest = -1;
  for (uint64_t death = 0; death < 40; ++death) {
    const auto n = static_cast<int64_t>(random_bits(1, 2, death) % 80);
    run_child_until_killed(run, n);
    const int64_t found = newest_step(run);
    EXPECT_GE(found, newest);
    newest = found;
  }
  EXPECT_GT(newest, 10);
}

class CheckpointDamage : public ::testing::Test {
 protected:
  CheckpointDamage() {
    write(real_file_system(), run, 500);
    CheckpointStore store(real_file_system(), run, {.keep_last = 2});
    TestState(600).write_to(store);
  }

  // With the newer one damaged so, the older is used and the damage is named.
  void expect_detected(const std::string& file) {
    std::vector<SkippedCheckpoint> skipped;
    const auto checkpoint =
        newest_good_checkpoint(run, Parts::kWeightsAndOptimizer, skipped);
    ASSERT_TRUE(checkpoint);
    EXPECT_EQ(checkpoint->info().step, 500);
    ASSERT_EQ(skipped.size(), 1u);
    EXPECT_THAT(skipped[0].reason, ::testing::HasSubstr(file));
  }

  const TemporaryFolder folder;
  const std::string run = folder / "run";
  const std::vector<std::string> files = {kWeightsFile, kOptimizerFile,
                                          kManifestFile};
};

TEST_F(CheckpointDamage, AFlippedBitInAnyByteOfAnyFileIsDetected) {
  for (const std::string& file : files) {
    const std::string path = checkpoint_folder(run, 600) + "/" + file;
    for (uint64_t byte = 0; byte < file_size(path); ++byte) {
      const int bit = static_cast<int>(byte % 8);
      flip_bit(path, byte, bit);
      expect_detected(path);
      flip_bit(path, byte, bit);
    }
  }
  EXPECT_EQ(newest_step(run), 600);
}

TEST_F(CheckpointDamage, ACutOrGrownFileIsDetected) {
  for (const std::string& file : files) {
    const std::string path = checkpoint_folder(run, 600) + "/" + file;
    const std::string good = read_file(path);
    for (const std::string& bad :
         {std::string(), good.substr(0, 9), good.substr(0, good.size() - 1),
          good + '\0'}) {
      write_file_atomically(real_file_system(), path, bad);
      expect_detected(path);
    }
    write_file_atomically(real_file_system(), path, good);
  }
}

TEST_F(CheckpointDamage, AMissingFileIsDetected) {
  for (const std::string& file : files) {
    const std::string path = checkpoint_folder(run, 600) + "/" + file;
    const std::string good = read_file(path);
    real_file_system().remove_file(path);
    expect_detected(path);
    write_file_atomically(real_file_system(), path, good);
  }
}

}  // namespace
}  // namespace colossus::checkpoint
