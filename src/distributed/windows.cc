#include "distributed/windows.h"

#include <utility>

#include "base/error.h"

namespace colossus::distributed {
namespace {

constexpr uint64_t kPageBytes = 4096;

uint64_t window_bytes(const WindowsLayout& layout) {
  const uint64_t bytes =
      static_cast<uint64_t>(layout.padded_count) * sizeof(float);
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

// The updated slices, then the gradients.
uint64_t windows_of_slot(const WindowsLayout& layout) {
  return static_cast<uint64_t>(layout.max_blocks) + 1;
}

}  // namespace

uint64_t Windows::bytes(const WindowsLayout& layout) {
  COLOSSUS_CHECK(
      layout.num_slots > 0 && layout.max_blocks > 0 && layout.padded_count > 0,
      "{} slots, {} blocks, {} floats", layout.num_slots, layout.max_blocks,
      layout.padded_count);
  return static_cast<uint64_t>(layout.num_slots) * windows_of_slot(layout) *
         window_bytes(layout);
}

Windows::Windows(SharedMemory memory, const WindowsLayout& layout)
    : memory_(std::move(memory)), layout_(layout) {
  if (memory_.size() < bytes(layout)) {
    throw run_error(
        "the shared windows of this machine have {} bytes and need {}; agent "
        "and ranks must have the same config",
        memory_.size(), bytes(layout));
  }
}

uint64_t Windows::offset(int slot, int window) const {
  COLOSSUS_CHECK(slot >= 0 && slot < layout_.num_slots && window >= 0 &&
                     window <= layout_.max_blocks,
                 "window {} of slot {}", window, slot);
  return (static_cast<uint64_t>(slot) * windows_of_slot(layout_) +
          static_cast<uint64_t>(window)) *
         window_bytes(layout_);
}

float* Windows::gradient(int slot, int block) const {
  return memory_.at<float>(offset(slot, block + 1),
                           static_cast<uint64_t>(layout_.padded_count));
}

float* Windows::updated(int slot) const {
  return memory_.at<float>(offset(slot, 0),
                           static_cast<uint64_t>(layout_.padded_count));
}

void Windows::populate(int slot, int num_blocks, bool updated_too) const {
  const uint64_t window = window_bytes(layout_);
  if (updated_too) memory_.populate(offset(slot, 0), window);
  if (num_blocks == 0) return;
  memory_.populate(offset(slot, 1), window * static_cast<uint64_t>(num_blocks));
  offset(slot, num_blocks);  // the last one must exist
}

void Windows::release(int slot) const {
  memory_.release(offset(slot, 0),
                  windows_of_slot(layout_) * window_bytes(layout_));
}

std::vector<config::ShardBlock> blocks_of(const config::View& view,
                                          int64_t rank,
                                          const WindowsLayout& layout) {
  std::vector<config::ShardBlock> blocks =
      config::aligned_blocks(config::owned_shards(view.placement, rank),
                             std::ssize(view.placement.owner_S));
  if (static_cast<int>(blocks.size()) > layout.max_blocks) {
    throw run_error(
        "rank {} hosts {} blocks of shards and has {} windows for them", rank,
        blocks.size(), layout.max_blocks);
  }
  return blocks;
}

}  // namespace colossus::distributed
