#include "distributed/machines_group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <string>

#include "base/error.h"
#include "base/thread_pool.h"
#include "distributed/peer_lost.h"
#include "distributed/test_cluster.h"

namespace colossus::distributed {
namespace {

std::vector<int64_t> all_ranks(const TestCluster& cluster) {
  std::vector<int64_t> ranks;
  for (int64_t rank = 0; rank < cluster.num_ranks(); ++rank) {
    ranks.push_back(rank);
  }
  return ranks;
}

TEST(MachinesGroup, GivesTheBitsOfTheTreeForEveryPlacementOnEveryMachine) {
  const std::vector<std::vector<int>> machines = {
      {0, 1}, {0, 0, 1}, {0, 1, 0, 1}, {0, 1, 2}, {0, 1, 2, 3, 0}};
  for (const std::vector<int>& machine_R : machines) {
    for (const int64_t num_shards : {1, 2, 8, 16}) {
      TestCluster cluster(machine_R, num_shards);
      const auto seed = static_cast<uint64_t>(num_shards);
      const config::View view = cluster.begin(
          1, all_ranks(cluster),
          random_placement(seed, num_shards, cluster.num_ranks()));
      cluster.run_threads([&](Seat& seat) {
        if (!config::takes_part(view.placement, seat.rank())) return;
        ThreadPool pool(1);
        TestMachine& machine = cluster.machine_with(seat.rank());
        MachinesGroup group(view, seat, machine.windows(), pool,
                            cluster.network(seat.rank()));
        for (int64_t step = 1; step <= 3; ++step) {
          EXPECT_EQ(checked_step(group, static_cast<uint64_t>(step), step), 0);
        }
        EXPECT_EQ(machine.board().report(seat.slot()).committed_step, 3);
      });
      for (int64_t rank = 0; rank < cluster.num_ranks(); ++rank) {
        EXPECT_EQ(cluster.machine_with(rank).board().order(), order_of(1))
            << "who leaves in peace disturbs nobody";
      }
    }
  }
}

// A machine whose ranks' blocks make up larger ones sends the larger ones.
TEST(MachinesGroup, SumsTheBlocksOfAMachineBeforeTheyAreSent) {
  TestCluster cluster({0, 0, 1, 1}, 8);
  config::Placement placement;
  placement.owner_S = {0, 1, 1, 0, 2, 2, 3, 3};
  placement.backup_S = {2, 3, 2, 3, 0, 1, 0, 1};
  const config::View view = cluster.begin(1, {0, 1, 2, 3}, placement);
  const ExchangePlan plan(view, 0);
  ASSERT_EQ(plan.blocks().size(), 2);
  EXPECT_EQ(plan.blocks()[1].block.count, 4);
  cluster.run_threads([&](Seat& seat) {
    ThreadPool pool(2);
    MachinesGroup group(view, seat, cluster.machine_with(seat.rank()).windows(),
                        pool, cluster.network(seat.rank()));
    for (int64_t step = 1; step <= 4; ++step) {
      checked_step(group, static_cast<uint64_t>(step), step);
    }
  });
}

// Slice i of a machine's vector holds i + 100 * step once all bore theirs.
TEST(MachinesGroup, BringsNewWeightsToEveryMachineOnce) {
  TestCluster cluster({0, 0, 1, 2}, 8);
  const config::View view = cluster.begin(
      1, {0, 1, 2, 3}, random_placement(5, 8, cluster.num_ranks()));
  std::vector<std::vector<float>> vector_of_machine(
      3, std::vector<float>(8 * kTestSliceCount, -1));
  cluster.run_threads([&](Seat& seat) {
    ThreadPool pool(1);
    const int64_t rank = seat.rank();
    MachinesGroup group(view, seat, cluster.machine_with(rank).windows(), pool,
                        cluster.network(rank));
    std::vector<float>& full =
        vector_of_machine[static_cast<size_t>(cluster.machine_of(rank))];
    for (int64_t step = 1; step <= 3; ++step) {
      std::vector<float> mine(full.size(), -2);
      SlicesIn from_S(8, nullptr);
      SlicesOut to_S(8, nullptr);
      for (size_t slice = 0; slice < 8; ++slice) {
        float* flat = &full[slice * kTestSliceCount];
        const auto value =
            static_cast<float>(100 * step) + static_cast<float>(slice);
        const bool owner = view.placement.owner_S[slice] == rank;
        if (!owner && view.placement.backup_S[slice] != rank) continue;
        float* own = owner ? flat : &mine[slice * kTestSliceCount];
        std::fill_n(own, kTestSliceCount, value);
        from_S[slice] = own;
      }
      for (const int64_t slice : group.borne_slices()) {
        to_S[static_cast<size_t>(slice)] =
            &full[static_cast<size_t>(slice * kTestSliceCount)];
      }
      group.share_weights(from_S, to_S);
      group.meet();
      for (size_t i = 0; i < full.size(); ++i) {
        ASSERT_EQ(full[i], static_cast<float>(100 * step) +
                               static_cast<float>(i / kTestSliceCount));
      }
      group.commit(step);
    }
  });
}

TEST(MachinesGroup, AgreesOnTheCommitAtWhichAllPrepare) {
  TestCluster cluster({0, 1, 1}, 4);
  const config::View view =
      cluster.begin(1, {0, 1, 2}, even_placement({0, 1, 2}, 4));
  std::atomic<int64_t> last_step[3] = {};
  cluster.run_threads([&](Seat& seat) {
    ThreadPool pool(1);
    MachinesGroup group(view, seat, cluster.machine_with(seat.rank()).windows(),
                        pool, cluster.network(seat.rank()));
    for (int64_t step = 1; step <= 1000; ++step) {
      // The call is heard on one machine long before the others.
      if (seat.rank() == 2 && step == 5) {
        config::View next;
        next.number = 2;
        cluster.post(1, PostedKind::kPrepareAtCommit, next);
      }
      if (seat.rank() == 0 && step == 9) {
        config::View next;
        next.number = 2;
        cluster.post(0, PostedKind::kPrepareAtCommit, next);
      }
      const int64_t wish = checked_step(group, 1, step);
      if (wish == 0) continue;
      EXPECT_EQ(wish, 2);
      last_step[seat.rank()] = step;
      break;
    }
  });
  EXPECT_EQ(last_step[0], 9);
  EXPECT_EQ(last_step[1], 9);
  EXPECT_EQ(last_step[2], 9);
}

TEST(MachinesGroup, EndsEveryWaitOnAllMachinesWhenOneBoardIsDisturbed) {
  TestCluster cluster({0, 0, 1, 2}, 4);
  const config::View view =
      cluster.begin(1, {0, 1, 2, 3}, even_placement({0, 1, 2, 3}, 4));
  std::atomic<int> lost{0};
  std::barrier all(4);
  cluster.run_threads([&](Seat& seat) {
    ThreadPool pool(1);
    MachinesGroup group(view, seat, cluster.machine_with(seat.rank()).windows(),
                        pool, cluster.network(seat.rank()));
    checked_step(group, 1, 1);
    all.arrive_and_wait();
    if (seat.rank() == 0) {  // never comes; the others wait for it
      cluster.machine(0).board().mark_lost(0);
      return;
    }
    try {
      checked_step(group, 1, 2);
    } catch (const PeerLost&) {
      ++lost;
    }
  });
  EXPECT_EQ(lost, 3);
  for (int machine = 0; machine < 3; ++machine) {
    EXPECT_EQ(cluster.machine(machine).board().order(), order_of(1) + 1);
  }
}

TEST(MachinesGroup, InterruptsWhoComputesAndNamesWhoIsOutOfReach) {
  TestCluster cluster({0, 1, 2}, 4);
  const config::View view =
      cluster.begin(1, {0, 1, 2}, even_placement({0, 1, 2}, 4));
  std::atomic<int> interrupted{0};
  std::barrier all(3);
  cluster.run_threads([&](Seat& seat) {
    ThreadPool pool(1);
    Pulse pulse = seat.pulse(1);
    pool.set_pulse(&pulse);
    auto group = std::make_unique<MachinesGroup>(
        view, seat, cluster.machine_with(seat.rank()).windows(), pool,
        cluster.network(seat.rank()));
    checked_step(*group, 1, 1);
    all.arrive_and_wait();
    if (seat.rank() == 0) {
      cluster.machine(0).board().mark_lost(0);
      return;
    }
    try {
      pool.run(int64_t{1} << 40, [](int64_t, int) {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      });
    } catch (const Interrupted&) {
      ++interrupted;
    }
  });
  EXPECT_EQ(interrupted, 2);
  EXPECT_GE(cluster.machine(1).board().report(1).unreachable, 0);
}

TEST(MachinesGroup, LetsGoOfAPeerThatLeftInPeaceButIsNeeded) {
  TestCluster cluster({0, 1}, 2);
  const config::View view = cluster.begin(1, {0, 1}, even_placement({0, 1}, 2));
  std::atomic<int64_t> missing{-1};
  cluster.run_threads([&](Seat& seat) {
    ThreadPool pool(1);
    MachinesGroup group(view, seat, cluster.machine_with(seat.rank()).windows(),
                        pool, cluster.network(seat.rank()));
    checked_step(group, 1, 1);
    if (seat.rank() == 1) return;
    try {
      checked_step(group, 1, 2);
    } catch (const PeerLost& event) {
      missing = event.rank();
    }
  });
  EXPECT_EQ(missing, 1);
  EXPECT_EQ(cluster.machine(0).board().order(), order_of(1) + 1);
}

// Views follow each other; each is left in the middle of a step.
TEST(MachinesGroup, WorksUnderANewViewAfterOneThatEndedAnywhere) {
  TestCluster cluster({0, 1, 1, 2}, 8);
  std::barrier all(4);
  config::View view;
  cluster.run_threads([&](Seat& seat) {
    for (int64_t number = 1; number <= 20; ++number) {
      all.arrive_and_wait();
      if (seat.rank() == 0) {
        view = cluster.begin(
            number, {0, 1, 2, 3},
            random_placement(static_cast<uint64_t>(number), 8, 4));
      }
      all.arrive_and_wait();
      if (!config::takes_part(view.placement, seat.rank())) continue;
      ThreadPool pool(1);
      try {
        MachinesGroup group(view, seat,
                            cluster.machine_with(seat.rank()).windows(), pool,
                            cluster.network(seat.rank()));
        for (int64_t step = 1; step <= 2; ++step) {
          checked_step(group, static_cast<uint64_t>(number * 10 + step), step);
        }
        if (seat.rank() == number % 4) {
          cluster.machine_with(seat.rank()).board().mark_lost(seat.slot());
        }
        checked_step(group, 1, 3);
      } catch (const PeerLost&) {
      }
    }
  });
}

TEST(MachinesGroup, RefusesAViewThatDoesNotSayWhereARankListens) {
  TestCluster cluster({0, 1}, 2);
  config::View view = cluster.begin(1, {0, 1}, even_placement({0, 1}, 2));
  view.members[1].endpoint = {};
  cluster.run_threads([&](Seat& seat) {
    if (seat.rank() == 1) return;
    ThreadPool pool(1);
    EXPECT_THROW(MachinesGroup(view, seat, cluster.machine(0).windows(), pool,
                               cluster.network(0)),
                 RunError);
  });
}

}  // namespace
}  // namespace colossus::distributed
