#include "checkpoint/checkpoint_writer.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace colossus::checkpoint {

CheckpointWriter::CheckpointWriter(CheckpointStore& store,
                                   const tensor::TensorLayout& layout,
                                   std::span<float> buffer)
    : store_(store), layout_(layout), buffer_(buffer) {
  COLOSSUS_CHECK(buffer.size() % 3 == 0, "{} floats are not 3 flat vectors",
                 buffer.size());
  thread_ = std::thread([this] { write_in_background(); });
}

CheckpointWriter::~CheckpointWriter() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void CheckpointWriter::submit(const CheckpointInfo& info,
                              std::span<const float> weights,
                              std::span<const float> m,
                              std::span<const float> v) {
  wait();
  const size_t size = buffer_.size() / 3;
  COLOSSUS_CHECK(weights.size() == size && m.size() == size && v.size() == size,
                 "{}, {} and {} floats for a buffer of 3 x {}", weights.size(),
                 m.size(), v.size(), size);
  std::copy(weights.begin(), weights.end(), buffer_.begin());
  std::copy(m.begin(), m.end(), buffer_.subspan(size).begin());
  std::copy(v.begin(), v.end(), buffer_.subspan(2 * size).begin());
  {
    std::lock_guard lock(mutex_);
    info_ = info;
    busy_ = true;
  }
  changed_.notify_all();
}

void CheckpointWriter::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !busy_; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

std::span<const float> CheckpointWriter::snapshot(size_t which) const {
  const size_t size = buffer_.size() / 3;
  return buffer_.subspan(which * size, size);
}

bool CheckpointWriter::busy() {
  std::lock_guard lock(mutex_);
  return busy_;
}

void CheckpointWriter::write_in_background() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return busy_ || stop_; });
    if (!busy_) return;
    const CheckpointInfo info = info_;
    lock.unlock();
    std::exception_ptr error;
    try {
      store_.write(info, layout_, snapshot(0), snapshot(1), snapshot(2));
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    error_ = error;
    busy_ = false;
    changed_.notify_all();
  }
}

}  // namespace colossus::checkpoint
