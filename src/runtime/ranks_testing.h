// Ranks as threads over private memory, for tests of this folder: all that the
// ranks of a machine share. Whoever uses it is their agent.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/thread_pool.h"
#include "distributed/board.h"
#include "distributed/message_ring.h"
#include "distributed/seat.h"
#include "distributed/windows.h"
#include "kernels/cpu/cpu_backend.h"
#include "runtime/board_link.h"
#include "runtime/journal_codec.h"
#include "runtime/rank.h"
#include "runtime/run_testing.h"
#include "runtime/trainer.h"

namespace colossus::runtime {

class RankThreads {
 public:
  using MakeProbe = std::function<std::unique_ptr<StepProbe>(
      int64_t rank, checkpoint::SliceStore& store)>;

  RankThreads(const config::Config& config, const TrainingData& data,
              int num_slots)
      : config_(config),
        data_(data),
        num_slots_(num_slots),
        padded_count_(
            model::ParameterList(config.model).padded_count(num_shards())),
        board_(
            distributed::Board::create(distributed::SharedMemory::make_private(
                                           distributed::Board::bytes()),
                                       {}, num_slots)),
        windows_(distributed::SharedMemory::make_private(
                     distributed::Windows::bytes(layout())),
                 layout()),
        store_memory_(distributed::SharedMemory::make_private(store_bytes())),
        rings_(distributed::SharedMemory::make_private(
            static_cast<uint64_t>(num_slots) * kRingBytes)),
        store_(checkpoint::SliceStore::create(
            {store_memory_.at<std::byte>(0, store_bytes()), store_bytes()},
            num_shards(), padded_count_ / num_shards())) {}

  ~RankThreads() { join(); }

  int64_t num_shards() const { return config_.run.num_shards; }
  distributed::Board& board() { return board_; }
  checkpoint::SliceStore& store() { return store_; }
  // For the ranks that are started from now on.
  void set_probe(MakeProbe make_probe) { make_probe_ = std::move(make_probe); }

  void start_rank(int slot, int64_t rank, const std::string& target = "auto") {
    ring_of(slot, true);
    threads_.emplace_back(
        [this, slot, rank, target] { run_rank(slot, rank, target); });
  }

  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  // Of a slot's ring: what is new.
  std::vector<JournalEvent> events(int slot) {
    distributed::MessageRing ring = ring_of(slot, false);
    std::vector<JournalEvent> found;
    while (const auto text = ring.peek()) {
      found.push_back(
          decode_line(std::string_view(*text).substr(0, text->size() - 1))
              .event);
      ring.consume();
    }
    return found;
  }

 private:
  static constexpr uint64_t kRingBytes = 1 << 20;

  distributed::WindowsLayout layout() const {
    return {.num_slots = num_slots_,
            .max_blocks = static_cast<int>(num_shards()),
            .padded_count = padded_count_};
  }
  uint64_t store_bytes() const {
    return checkpoint::SliceStore::bytes(num_shards(),
                                         padded_count_ / num_shards());
  }

  distributed::MessageRing ring_of(int slot, bool fresh) {
    return {{rings_.at<std::byte>(static_cast<uint64_t>(slot) * kRingBytes,
                                  kRingBytes),
             kRingBytes},
            fresh};
  }

  void run_rank(int slot, int64_t rank, const std::string& target) {
    const auto backend = kernels::make_cpu_backend(1, target);
    tensor::Arena plan, plan_room;
    const RankMemory planned(config_, num_shards() / 2, false, *backend, plan,
                             plan_room);
    tensor::Arena arena(plan.high_water_bytes());
    tensor::Arena room(plan_room.high_water_bytes(),
                       tensor::Arena::Touch::kInUse);
    RankMemory memory(config_, num_shards() / 2, false, *backend, arena, room);
    ThreadPool pool(1);
    const std::unique_ptr<StepProbe> probe =
        make_probe_ ? make_probe_(rank, store_) : nullptr;
    distributed::Seat seat(board_, slot, rank);
    distributed::MessageRing reports = ring_of(slot, false);
    BoardLink link(seat, windows_, pool, reports, clock_, config_.run.steps,
                   memory.sums);
    const RankPlace place{.fs = real_file_system(),
                          .clock = clock_,
                          .backend = *backend,
                          .store = store_,
                          .probe = probe.get()};
    try {
      Rank(config_, data_, place, memory, link).run();
    } catch (const std::exception& error) {
      seat.failed(error.what());
    }
  }

  const config::Config config_;
  const TrainingData data_;
  const int num_slots_;
  const int64_t padded_count_;
  ManualClock clock_;
  distributed::Board board_;
  distributed::Windows windows_;
  distributed::SharedMemory store_memory_, rings_;
  checkpoint::SliceStore store_;
  MakeProbe make_probe_;
  std::vector<std::thread> threads_;
};

// The hash of the run that nothing happens to; trained into `dir`.
inline std::string quiet_run(config::Config config, const TrainingData& data,
                             const std::string& dir) {
  config.run.dir = dir;
  const auto backend = kernels::make_cpu_backend(2);
  const std::atomic<bool> stop{false};
  std::ostringstream out;
  ManualClock clock;
  train(config, data,
        {.fs = real_file_system(),
         .clock = clock,
         .backend = *backend,
         .stop = stop,
         .stop_reason = nullptr,
         .out = out,
         .progress = {},
         .machine = "test"},
        false);
  return checkpoint::hash_checkpoint(checkpoint::resolve_checkpoint(dir)).hex();
}

}  // namespace colossus::runtime
