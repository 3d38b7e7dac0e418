#include "distributed/watcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "distributed/test_machine.h"

namespace colossus::distributed {
namespace {

// Ranks that are threads: how each leaves shows in what is told and in the
// order word.
class WatchedThreads : public testing::Test {
 protected:
  WatchedThreads()
      : machine_(Memory::kPrivate, 2, 2),
        watcher_(machine_.board(), {.hang_seconds = 1},
                 [this](const Loss& loss) {
                   const std::lock_guard lock(mutex_);
                   losses_.push_back(loss);
                 }) {
    machine_.begin(1, {0, 1}, even_placement({0, 1}, 2));
  }

  Loss first_loss() {
    EXPECT_TRUE(eventually([&] {
      const std::lock_guard lock(mutex_);
      return !losses_.empty();
    }));
    const std::lock_guard lock(mutex_);
    return losses_.at(0);
  }

  size_t num_losses() {
    const std::lock_guard lock(mutex_);
    return losses_.size();
  }

  TestMachine machine_;
  std::mutex mutex_;
  std::vector<Loss> losses_;
  Watcher watcher_;
};

TEST_F(WatchedThreads, AreHungWhenTheirBeatsStandStill) {
  std::promise<void> end;
  std::jthread rank([&] {
    Seat seat(machine_.board(), 1, 1);
    seat.running(1);
    watcher_.watch_thread(1);
    end.get_future().wait();
  });
  const Loss loss = first_loss();
  EXPECT_EQ(loss.how, LossKind::kHung);
  EXPECT_GE(loss.silent_seconds, 1);
  EXPECT_EQ(loss.rank, 1);
  EXPECT_FALSE(loss.fenced);
  EXPECT_EQ(machine_.board().order(), order_of(1) + 1);
  end.set_value();
}

TEST_F(WatchedThreads, AreNotHungWhileTheyWaitOrJoin) {
  std::jthread joining([&] {
    Seat seat(machine_.board(), 0, 0);
    watcher_.watch_thread(0);
    // Outlasts the other's wait, longer than hang_seconds, without a beat.
    eventually(
        [&] { return machine_.board().report(1).state == SlotState::kDone; });
  });
  std::jthread waiting([&] {
    Seat seat(machine_.board(), 1, 1);
    seat.running(1);
    watcher_.watch_thread(1);
    EXPECT_EQ(seat.wait_posted(1, 2.5), std::nullopt);
    EXPECT_EQ(num_losses(), 0u);
  });
  waiting.join();
  EXPECT_EQ(first_loss().how, LossKind::kClosed);
}

TEST_F(WatchedThreads, DisturbTheOthersWhenTheyFail) {
  std::jthread rank([&] {
    Seat seat(machine_.board(), 1, 1);
    seat.running(1);
    watcher_.watch_thread(1);
    seat.failed("disk full");
  });
  EXPECT_EQ(first_loss().how, LossKind::kClosed);
  EXPECT_EQ(machine_.board().report(1).text, "disk full");
  EXPECT_EQ(machine_.board().order(), order_of(1) + 1);
}

TEST_F(WatchedThreads, DisturbNobodyWhenTheyAreDone) {
  std::jthread rank([&] {
    Seat seat(machine_.board(), 1, 1);
    seat.running(1);
    watcher_.watch_thread(1);
  });
  EXPECT_EQ(first_loss().how, LossKind::kClosed);
  EXPECT_EQ(machine_.board().report(1).state, SlotState::kDone);
  EXPECT_EQ(machine_.board().order(), order_of(1));
}

// The slot of a lost rank is another one's as soon as the loss is told.
TEST_F(WatchedThreads, MakeRoomForOthersInTheSameSlot) {
  for (int64_t rank = 1; rank <= 5; ++rank) {
    std::jthread thread([&] {
      Seat seat(machine_.board(), 1, rank);
      seat.running(1);
      watcher_.watch_thread(1);
    });
    thread.join();
    ASSERT_TRUE(
        eventually([&] { return num_losses() == static_cast<size_t>(rank); }));
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(losses_.back().rank, rank);
  }
}

}  // namespace
}  // namespace colossus::distributed
