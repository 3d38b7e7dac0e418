// Writes checkpoints in a thread of its own while the run goes on.
//
// Owns the thread, not the memory: the caller plans a buffer of 3 flat vectors
// for the snapshot. Methods are for one caller; submit and wait block only
// while the write before is still under way.
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <span>
#include <thread>

#include "checkpoint/checkpoint_store.h"

namespace colossus::checkpoint {

class CheckpointWriter {
 public:
  // `store`, `layout` and `buffer` must outlive the writer. The buffer's size
  // is 3 times that of the flat vectors to come.
  CheckpointWriter(CheckpointStore& store, const tensor::TensorLayout& layout,
                   std::span<float> buffer);
  // Finishes the write under way. What went wrong with it is lost: call `wait`
  // before.
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Copies the state and returns. Throws what the write before threw.
  void submit(const CheckpointInfo& info, std::span<const float> weights,
              std::span<const float> m, std::span<const float> v);

  // Returns when all that was submitted is durable; throws what a write threw,
  // once.
  void wait();

  // Whether a write is still under way.
  bool busy();

 private:
  void write_in_background();
  std::span<const float> snapshot(size_t which) const;

  CheckpointStore& store_;
  const tensor::TensorLayout& layout_;
  const std::span<float> buffer_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_; buffer_ belongs to the thread while busy_.
  bool busy_ = false;
  bool stop_ = false;
  CheckpointInfo info_;
  std::exception_ptr error_;

  std::thread thread_;
};

}  // namespace colossus::checkpoint
