#include "distributed/shared_memory_group.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <latch>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/random.h"
#include "base/thread_pool.h"
#include "distributed/peer_lost.h"

namespace colossus::distributed {
namespace {

constexpr int64_t kSliceCount = 48;
constexpr Hash128 kRun = {1, 2};

// A machine of ranks that are threads: rank r sits in slot r.
class Machine {
 public:
  Machine(int num_slots, int64_t num_shards)
      : num_shards_(num_shards),
        layout_{num_slots, static_cast<int>(num_shards),
                num_shards * kSliceCount},
        board_(Board::create(SharedMemory::make_private(Board::bytes()), kRun,
                             num_slots)),
        windows_(SharedMemory::make_private(Windows::bytes(layout_)), layout_) {
  }

  Board& board() { return board_; }
  const Windows& windows() const { return windows_; }
  int64_t padded_count() const { return layout_.padded_count; }
  int64_t num_shards() const { return num_shards_; }

  config::View begin(int64_t number, const config::Placement& placement) {
    config::View view;
    view.number = number;
    for (int rank = 0; rank < layout_.num_slots; ++rank) {
      view.members.push_back({rank, 0});
    }
    view.placement = placement;
    EXPECT_TRUE(board_.post({PostedKind::kBegin, view, 0}));
    return view;
  }

  // body(seat) in a thread a rank, once all have their seats.
  void run(const std::function<void(Seat& seat)>& body) {
    std::latch seated(layout_.num_slots);
    std::vector<std::jthread> threads;
    for (int slot = 0; slot < layout_.num_slots; ++slot) {
      threads.emplace_back([&, slot] {
        Seat seat(board_, slot, slot);
        seated.arrive_and_wait();
        body(seat);
      });
    }
  }

 private:
  const int64_t num_shards_;
  const WindowsLayout layout_;
  Board board_;
  Windows windows_;
};

// Values of very different sizes, so that every order of additions shows.
float gradient_of(uint64_t seed, int64_t shard, int64_t i) {
  const auto stream = static_cast<uint64_t>(shard);
  const auto index = static_cast<uint64_t>(i);
  const double size =
      std::exp2(40 * random_uniform(seed, stream, 2 * index) - 20);
  return static_cast<float>(
      size * (random_uniform(seed, stream, 2 * index + 1) - 0.5));
}

float tree(uint64_t seed, int64_t first, int64_t count, int64_t i) {
  if (count == 1) return gradient_of(seed, first, i);
  return tree(seed, first, count / 2, i) +
         tree(seed, first + count / 2, count / 2, i);
}

config::Placement random_placement(uint64_t seed, int64_t num_shards,
                                   int num_ranks) {
  config::Placement placement;
  const auto ranks = static_cast<uint64_t>(num_ranks);
  for (int64_t shard = 0; shard < num_shards; ++shard) {
    const auto index = static_cast<uint64_t>(shard);
    const uint64_t owner = random_bits(seed, 1, index) % ranks;
    placement.owner_S.push_back(static_cast<int64_t>(owner));
    if (num_ranks == 1) {
      placement.backup_S.push_back(config::kNoBackup);
    } else {
      const uint64_t other = random_bits(seed, 2, index) % (ranks - 1);
      placement.backup_S.push_back(
          static_cast<int64_t>((owner + 1 + other) % ranks));
    }
  }
  return placement;
}

// One step: every rank checks all that it is given against the definition.
void step(ProcessGroup& group, uint64_t seed, int64_t number) {
  const config::Placement& placement = group.view().placement;
  const auto num_shards = static_cast<int64_t>(placement.owner_S.size());
  const int64_t padded_count = num_shards * kSliceCount;
  for (size_t b = 0; b < group.blocks().size(); ++b) {
    const config::ShardBlock& block = group.blocks()[b];
    float* gradient = group.gradient(static_cast<int64_t>(b));
    for (int64_t i = 0; i < padded_count; ++i) {
      gradient[i] = tree(seed, block.first, block.count, i);
    }
  }
  std::vector<float> total(static_cast<size_t>(padded_count), -1);
  SlicesOut total_S(static_cast<size_t>(num_shards), nullptr);
  std::vector<double> values_SW(static_cast<size_t>(2 * num_shards), -1);
  for (size_t slice = 0; slice < total_S.size(); ++slice) {
    if (placement.owner_S[slice] != group.rank() &&
        placement.backup_S[slice] != group.rank()) {
      continue;
    }
    total_S[slice] = &total[slice * kSliceCount];
  }
  group.reduce_scatter(total_S);
  for (size_t slice = 0; slice < total_S.size(); ++slice) {
    if (total_S[slice] == nullptr) continue;
    for (int64_t i = 0; i < kSliceCount; ++i) {
      const int64_t at = static_cast<int64_t>(slice) * kSliceCount + i;
      ASSERT_EQ(std::bit_cast<uint32_t>(total_S[slice][i]),
                std::bit_cast<uint32_t>(tree(seed, 0, num_shards, at)));
    }
    if (placement.owner_S[slice] != group.rank()) continue;
    values_SW[2 * slice] = total_S[slice][0];
    values_SW[2 * slice + 1] = static_cast<double>(slice);
    std::copy_n(total_S[slice], kSliceCount,
                group.updated() + slice * kSliceCount);
  }
  group.all_gather_values(Holder::kOwner, 2, values_SW.data());
  std::vector<float> full(static_cast<size_t>(padded_count));
  group.all_gather(full.data());
  for (int64_t i = 0; i < padded_count; ++i) {
    ASSERT_EQ(full[static_cast<size_t>(i)], tree(seed, 0, num_shards, i));
  }
  for (size_t slice = 0; slice < total_S.size(); ++slice) {
    ASSERT_EQ(values_SW[2 * slice], full[slice * kSliceCount]);
    ASSERT_EQ(values_SW[2 * slice + 1], static_cast<double>(slice));
  }
  ASSERT_EQ(group.commit(number), 0);
}

TEST(SharedMemoryGroup, GivesTheSameBitsForEveryPlacementAndNumberOfRanks) {
  for (int num_ranks = 1; num_ranks <= 5; ++num_ranks) {
    for (const int64_t num_shards : {1, 2, 8, 16}) {
      Machine machine(num_ranks, num_shards);
      const auto seed = static_cast<uint64_t>(num_ranks * 100 + num_shards);
      const config::View view =
          machine.begin(1, random_placement(seed, num_shards, num_ranks));
      machine.run([&](Seat& seat) {
        ThreadPool pool(1);
        SharedMemoryGroup group(view, seat, machine.windows(), pool);
        if (!group.participates()) return;
        for (int64_t number = 1; number <= 3; ++number) {
          step(group, static_cast<uint64_t>(number), number);
        }
      });
    }
  }
}

}  // namespace
}  // namespace colossus::distributed
