// What test_machine.h declares.
#include <cmath>
#include <latch>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "distributed/test_machine.h"

namespace colossus::distributed {
namespace {

SharedMemory memory_of(Memory kind, uint64_t bytes, const char* name) {
  return kind == Memory::kPrivate ? SharedMemory::make_private(bytes)
                                  : SharedMemory::create(bytes, name);
}

WindowsLayout layout_of(int num_slots, int64_t num_shards) {
  return {num_slots, static_cast<int>(num_shards),
          num_shards * kTestSliceCount};
}

// Values of very different sizes, so that another order of additions shows.
float gradient_of(uint64_t seed, int64_t shard, int64_t i) {
  const auto stream = static_cast<uint64_t>(shard);
  const auto index = static_cast<uint64_t>(i);
  const double size =
      std::exp2(40 * random_uniform(seed, stream, 2 * index) - 20);
  return static_cast<float>(
      size * (random_uniform(seed, stream, 2 * index + 1) - 0.5));
}

// The definition of the sum over shards.
float tree(uint64_t seed, int64_t first, int64_t count, int64_t i) {
  if (count == 1) return gradient_of(seed, first, i);
  return tree(seed, first, count / 2, i) +
         tree(seed, first + count / 2, count / 2, i);
}

void require(bool holds, const std::string& what) {
  if (!holds) throw std::logic_error(what);
}

// The step's data as one rank has it.
struct StepData {
  StepData(ProcessGroup& group, uint64_t seed)
      : group(group),
        placement(group.view().placement),
        num_shards(static_cast<int64_t>(placement.owner_S.size())),
        padded_count(num_shards * kTestSliceCount),
        total(static_cast<size_t>(padded_count), -1),
        full(static_cast<size_t>(padded_count), -1),
        total_S(static_cast<size_t>(num_shards), nullptr) {
    for (int64_t i = 0; i < padded_count; ++i) {
      expected.push_back(tree(seed, 0, num_shards, i));
    }
  }

  void write_gradients(uint64_t seed) const {
    for (size_t b = 0; b < group.blocks().size(); ++b) {
      const config::ShardBlock& block = group.blocks()[b];
      float* gradient = group.gradient(static_cast<int64_t>(b));
      for (int64_t i = 0; i < padded_count; ++i) {
        gradient[i] = tree(seed, block.first, block.count, i);
      }
    }
  }

  void reduce() {
    for (size_t slice = 0; slice < total_S.size(); ++slice) {
      if (placement.owner_S[slice] == group.rank() ||
          placement.backup_S[slice] == group.rank()) {
        total_S[slice] = &total[slice * kTestSliceCount];
      }
    }
    group.reduce_scatter(total_S);
    for (size_t i = 0; i < total.size(); ++i) {
      const bool mine = total_S[i / kTestSliceCount] != nullptr;
      require(total[i] == (mine ? expected[i] : -1),
              fmt::format("sum {} on rank {}", i, group.rank()));
    }
  }

  // Of owners and of backups: the slice's first element and its number.
  void gather_values(Holder holder) {
    const auto& host_S =
        holder == Holder::kOwner ? placement.owner_S : placement.backup_S;
    std::vector<double> values(2 * total_S.size(), -1);
    for (size_t slice = 0; slice < total_S.size(); ++slice) {
      if (host_S[slice] != group.rank()) continue;
      values[2 * slice] = total[slice * kTestSliceCount];
      values[2 * slice + 1] = static_cast<double>(slice);
    }
    group.all_gather_values(holder, 2, values.data());
    for (size_t slice = 0; slice < total_S.size(); ++slice) {
      const bool given = host_S[slice] != config::kNoBackup;
      const double first =
          given ? double{expected[slice * kTestSliceCount]} : -1;
      require(values[2 * slice] == first &&
                  values[2 * slice + 1] ==
                      (given ? static_cast<double>(slice) : -1),
              fmt::format("values of {} on rank {}", slice, group.rank()));
    }
  }

  void gather() {
    for (size_t slice = 0; slice < total_S.size(); ++slice) {
      if (placement.owner_S[slice] != group.rank()) continue;
      std::copy_n(total_S[slice], kTestSliceCount,
                  group.updated() + slice * kTestSliceCount);
    }
    group.all_gather(full.data());
    require(full == expected, fmt::format("weights on {}", group.rank()));
  }

  ProcessGroup& group;
  const config::Placement& placement;
  const int64_t num_shards, padded_count;
  std::vector<float> expected, total, full;
  SlicesOut total_S;
};

}  // namespace

TestMachine::TestMachine(Memory memory, int num_slots, int64_t num_shards)
    : layout_(layout_of(num_slots, num_shards)),
      board_(Board::create(memory_of(memory, Board::bytes(), "test-board"),
                           kTestRun, num_slots)),
      windows_(memory_of(memory, Windows::bytes(layout_), "test-windows"),
               layout_) {}

TestMachine::TestMachine(int board_fd, int windows_fd, int num_slots,
                         int64_t num_shards)
    : layout_(layout_of(num_slots, num_shards)),
      board_(Board::open(SharedMemory::map(board_fd), kTestRun)),
      windows_(SharedMemory::map(windows_fd), layout_) {}

config::View TestMachine::begin(int64_t number,
                                const std::vector<int64_t>& ranks,
                                const config::Placement& placement) {
  config::View view;
  view.number = number;
  for (const int64_t rank : ranks) view.members.push_back({rank, 0});
  view.placement = placement;
  require(board_.post({PostedKind::kBegin, view, 0}), "post a view");
  return view;
}

void TestMachine::run_threads(const std::function<void(Seat& seat)>& body) {
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

config::Placement random_placement(uint64_t seed, int64_t num_shards,
                                   int num_ranks) {
  config::Placement placement;
  const auto ranks = static_cast<uint64_t>(num_ranks);
  for (int64_t shard = 0; shard < num_shards; ++shard) {
    const auto index = static_cast<uint64_t>(shard);
    const uint64_t owner = random_bits(seed, 1, index) % ranks;
    placement.owner_S.push_back(static_cast<int64_t>(owner));
    int64_t backup = config::kNoBackup;
    if (num_ranks > 1) {
      const uint64_t other = random_bits(seed, 2, index) % (ranks - 1);
      backup = static_cast<int64_t>((owner + 1 + other) % ranks);
    }
    placement.backup_S.push_back(backup);
  }
  return placement;
}

config::Placement even_placement(const std::vector<int64_t>& ranks,
                                 int64_t num_shards) {
  config::Placement placement;
  for (size_t shard = 0; shard < static_cast<size_t>(num_shards); ++shard) {
    placement.owner_S.push_back(ranks[shard % ranks.size()]);
    placement.backup_S.push_back(ranks.size() == 1
                                     ? config::kNoBackup
                                     : ranks[(shard + 1) % ranks.size()]);
  }
  return placement;
}

int64_t checked_step(ProcessGroup& group, uint64_t seed, int64_t step) {
  StepData data(group, seed);
  data.write_gradients(seed);
  data.reduce();
  data.gather_values(Holder::kOwner);
  data.gather_values(Holder::kBackup);
  data.gather();
  return group.commit(step);
}

}  // namespace colossus::distributed
