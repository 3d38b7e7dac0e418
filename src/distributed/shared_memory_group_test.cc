#include "distributed/shared_memory_group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <string>

#include "base/error.h"
#include "base/thread_pool.h"
#include "distributed/peer_lost.h"
#include "distributed/test_machine.h"

namespace colossus::distributed {
namespace {

std::vector<int64_t> ranks_below(int num_ranks) {
  std::vector<int64_t> ranks;
  for (int64_t rank = 0; rank < num_ranks; ++rank) ranks.push_back(rank);
  return ranks;
}

TEST(SharedMemoryGroup, GivesTheSameBitsForEveryPlacementAndNumberOfRanks) {
  for (int num_ranks = 1; num_ranks <= 5; ++num_ranks) {
    for (const int64_t num_shards : {1, 2, 8, 16}) {
      const auto seed = static_cast<uint64_t>(num_ranks * 100 + num_shards);
      TestMachine machine(Memory::kPrivate, num_ranks, num_shards);
      const config::View view =
          machine.begin(1, ranks_below(num_ranks),
                        random_placement(seed, num_shards, num_ranks));
      machine.run_threads([&](Seat& seat) {
        ThreadPool pool(1);
        SharedMemoryGroup group(view, seat, machine.windows(), pool);
        if (!group.participates()) return;
        for (int64_t step = 1; step <= 3; ++step) {
          EXPECT_EQ(checked_step(group, static_cast<uint64_t>(step), step), 0);
        }
        EXPECT_EQ(machine.board().report(seat.slot()).committed_step, 3);
      });
    }
  }
}

// Pieces of work are many, and threads share them.
TEST(SharedMemoryGroup, GivesTheSameBitsWithSeveralThreads) {
  TestMachine machine(Memory::kPrivate, 2, 8);
  const config::View view = machine.begin(1, {0, 1}, random_placement(3, 8, 2));
  machine.run_threads([&](Seat& seat) {
    ThreadPool pool(3);
    Pulse pulse = seat.pulse(1);
    pool.set_pulse(&pulse);
    SharedMemoryGroup group(view, seat, machine.windows(), pool);
    checked_step(group, 5, 1);
  });
}

TEST(SharedMemoryGroup, EndsEveryWaitWhenAPeerIsMarkedLost) {
  TestMachine machine(Memory::kPrivate, 4, 4);
  const config::View view =
      machine.begin(1, {0, 1, 2, 3}, even_placement({0, 1, 2}, 4));
  std::atomic<int> lost{0};
  std::barrier all(4);
  machine.run_threads([&](Seat& seat) {
    ThreadPool pool(1);
    SharedMemoryGroup group(view, seat, machine.windows(), pool);
    all.arrive_and_wait();
    if (seat.rank() == 0) {  // never comes; 1 and 2 wait for it, 3 is a spare
      for (int slot = 1; slot < 4; ++slot) {
        while (machine.board().report(slot).beats < 3)
          std::this_thread::yield();
      }
      machine.board().mark_lost(0);
      return;
    }
    try {
      if (group.participates()) {
        checked_step(group, 1, 1);
      } else {
        group.idle(60);
      }
    } catch (const PeerLost& event) {
      EXPECT_EQ(event.rank(), PeerLost::kNobody);
      ++lost;
    }
  });
  EXPECT_EQ(lost, 3);
}

TEST(SharedMemoryGroup, NamesWhoDidNotComeBeforeTheDeadline) {
  TestMachine machine(Memory::kPrivate, 2, 2);
  const config::View view = machine.begin(1, {0, 1}, even_placement({0, 1}, 2));
  std::atomic<int64_t> missing{-1};
  machine.run_threads([&](Seat& seat) {
    if (seat.rank() == 1) return;
    ThreadPool pool(1);
    SharedMemoryGroup group(view, seat, machine.windows(), pool,
                            {.deadline_seconds = 0.05});
    try {
      checked_step(group, 1, 1);
    } catch (const PeerLost& event) {
      missing = event.rank();
    }
  });
  EXPECT_EQ(missing, 1);
}

// Views follow each other with the same slots and windows; each is left in the
// middle of a step, at another place by each rank.
TEST(SharedMemoryGroup, WorksUnderANewViewAfterOneThatEndedAnywhere) {
  TestMachine machine(Memory::kPrivate, 3, 8);
  std::barrier all(3);
  std::atomic<int> arrived{0};
  std::vector<config::View> views(1);
  machine.run_threads([&](Seat& seat) {
    for (int64_t number = 1; number <= 30; ++number) {
      all.arrive_and_wait();
      if (seat.rank() == 0) {
        arrived = 0;
        views[0] = machine.begin(
            number, {0, 1, 2},
            random_placement(static_cast<uint64_t>(number), 8, 3));
      }
      all.arrive_and_wait();
      ThreadPool pool(1);
      SharedMemoryGroup group(views[0], seat, machine.windows(), pool);
      if (!group.participates()) continue;
      try {
        for (int64_t step = 1; step <= 2; ++step) {
          checked_step(group, static_cast<uint64_t>(number * 10 + step), step);
        }
        // In the third, one rank after the other gives up.
        if (arrived.fetch_add(1) == number % 3) {
          machine.board().mark_lost(seat.slot());
        }
        checked_step(group, 1, 3);
      } catch (const PeerLost&) {
      }
    }
  });
}

TEST(SharedMemoryGroup, AgreesOnTheCommitAtWhichAllPrepare) {
  TestMachine machine(Memory::kPrivate, 3, 4);
  const config::View view =
      machine.begin(1, {0, 1, 2}, even_placement({0, 1, 2}, 4));
  std::atomic<int64_t> last_step[3] = {};
  machine.run_threads([&](Seat& seat) {
    ThreadPool pool(1);
    SharedMemoryGroup group(view, seat, machine.windows(), pool);
    for (int64_t step = 1; step <= 1000; ++step) {
      if (seat.rank() == 2 && step == 5) {
        config::View next;
        next.number = 2;
        EXPECT_TRUE(
            machine.board().post({PostedKind::kPrepareAtCommit, next, 0}));
      }
      const int64_t wish = checked_step(group, 1, step);
      if (wish == 0) continue;
      EXPECT_EQ(wish, 2);
      last_step[seat.rank()] = step;
      break;
    }
  });
  EXPECT_GE(last_step[0], 5);
  EXPECT_EQ(last_step[0], last_step[1]);
  EXPECT_EQ(last_step[0], last_step[2]);
}

TEST(SharedMemoryGroup, ASpareStopsIdlingWhenACallForTheNextCommitIsPosted) {
  TestMachine machine(Memory::kPrivate, 2, 2);
  const config::View view = machine.begin(1, {0, 1}, even_placement({0}, 2));
  machine.run_threads([&](Seat& seat) {
    if (seat.rank() == 0) {
      config::View next;
      next.number = 2;
      machine.board().post({PostedKind::kPrepareAtCommit, next, 0});
      return;
    }
    ThreadPool pool(1);
    SharedMemoryGroup group(view, seat, machine.windows(), pool);
    group.idle(3600);  // else this test would run into its time limit
    EXPECT_EQ(machine.board().posted().view.number, 2);
  });
}

TEST(SharedMemoryGroup, RefusesAViewWhoseRanksAreNotHere) {
  TestMachine machine(Memory::kPrivate, 1, 2);
  const config::View view = machine.begin(1, {0, 7}, even_placement({0, 7}, 2));
  machine.run_threads([&](Seat& seat) {
    ThreadPool pool(1);
    EXPECT_THROW(SharedMemoryGroup(view, seat, machine.windows(), pool),
                 RunError);
  });
}

}  // namespace
}  // namespace colossus::distributed
