#include "agent/machine_memory.h"

#include <algorithm>
#include <utility>

#include "distributed/process.h"

namespace colossus::agent {
namespace {

using checkpoint::SliceStore;
using distributed::Board;
using distributed::SharedMemory;
using distributed::Windows;

constexpr uint64_t kRingBytes = 1 << 20;

distributed::WindowsLayout windows_layout(const MachineLayout& layout) {
  // A set of shards is at most half as many aligned blocks as there are shards:
  // every second one.
  const int64_t most_blocks = std::max<int64_t>(1, layout.num_shards / 2);
  return {.num_slots = layout.num_slots,
          .max_blocks = static_cast<int>(most_blocks),
          .padded_count = layout.padded_count};
}

uint64_t store_bytes(const MachineLayout& layout) {
  return SliceStore::bytes(layout.num_shards,
                           layout.padded_count / layout.num_shards);
}

SliceStore make_store(const MachineLayout& layout, const SharedMemory& memory,
                      bool fresh) {
  const std::span<std::byte> bytes(memory.at<std::byte>(0, memory.size()),
                                   memory.size());
  const int64_t slice_count = layout.padded_count / layout.num_shards;
  return fresh ? SliceStore::create(bytes, layout.num_shards, slice_count)
               : SliceStore::attach(bytes, layout.num_shards, slice_count);
}

}  // namespace

MachineMemory::MachineMemory(const MachineLayout& layout, Board board,
                             Windows windows, SharedMemory store,
                             SharedMemory rings, bool fresh)
    : board_(std::move(board)),
      windows_(std::move(windows)),
      store_memory_(std::move(store)),
      rings_(std::move(rings)),
      store_(make_store(layout, store_memory_, fresh)) {}

MachineMemory MachineMemory::create(const MachineLayout& layout) {
  const distributed::WindowsLayout windows = windows_layout(layout);
  return {
      layout,
      Board::create(SharedMemory::create(Board::bytes(), "colossus-board"),
                    layout.run, layout.num_slots),
      Windows(SharedMemory::create(Windows::bytes(windows), "colossus-windows"),
              windows),
      SharedMemory::create(store_bytes(layout), "colossus-slices"),
      SharedMemory::create(static_cast<uint64_t>(layout.num_slots) * kRingBytes,
                           "colossus-reports"),
      true};
}

MachineMemory MachineMemory::inherit(const MachineLayout& layout) {
  return {
      layout,
      Board::open(SharedMemory::map(distributed::kFirstInherited), layout.run),
      Windows(SharedMemory::map(distributed::kFirstInherited + 1),
              windows_layout(layout)),
      SharedMemory::map(distributed::kFirstInherited + 2),
      SharedMemory::map(distributed::kFirstInherited + 3),
      false};
}

distributed::MessageRing MachineMemory::ring(int slot, bool fresh) const {
  const auto at = static_cast<uint64_t>(slot) * kRingBytes;
  return {{rings_.at<std::byte>(at, kRingBytes), kRingBytes}, fresh};
}

std::vector<int> MachineMemory::fds() const {
  return {board_.memory().fd(), windows_.memory().fd(), store_memory_.fd(),
          rings_.fd()};
}

}  // namespace colossus::agent
