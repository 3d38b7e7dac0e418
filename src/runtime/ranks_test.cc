// Ranks that train together, as threads over private memory: however shards are
// placed, and however often that changes in the middle, the bits are those of a
// rank that is alone.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <numeric>
#include <sstream>
#include <thread>
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
namespace {

using checkpoint::SliceCopy;
using checkpoint::SliceStore;
using distributed::PostedKind;
using distributed::SharedMemory;
using distributed::SlotState;

constexpr int kSlots = 4;
constexpr uint64_t kRingBytes = 1 << 20;

// The shared memory of a machine, and what its agent does, by hand.
class Machine {
 public:
  Machine(const config::Config& config, const TrainingData& data)
      : config_(config),
        data_(data),
        num_shards_(config.run.num_shards),
        padded_count_(
            model::ParameterList(config.model).padded_count(num_shards_)),
        board_(distributed::Board::create(
            SharedMemory::make_private(distributed::Board::bytes()), {},
            kSlots)),
        windows_(
            SharedMemory::make_private(distributed::Windows::bytes(layout())),
            layout()),
        store_memory_(SharedMemory::make_private(store_bytes())),
        rings_(SharedMemory::make_private(kSlots * kRingBytes)) {
    store_ = std::make_unique<SliceStore>(SliceStore::create(
        {store_memory_.at<std::byte>(0, store_bytes()), store_bytes()},
        num_shards_, padded_count_ / num_shards_));
  }

  ~Machine() {
    for (std::thread& thread : threads_) thread.join();
  }

  void start_rank(int slot, int64_t rank, const std::string& target = "auto") {
    ring_of(slot, true);
    threads_.emplace_back(
        [this, slot, rank, target] { run_rank(slot, rank, target); });
  }

  // PREPARE, the answers of the ranks in `from`, BEGIN.
  void change_view(const std::vector<int>& from, config::View view) {
    ++number_;
    call(PostedKind::kPrepare);
    await_prepared(from);
    ++number_;
    view.number = number_;
    view.start_step = store_->newest_common_step().value_or(start_step);
    last_start = view.start_step;
    view_ = view;
    view_slots_ = from;
    post(PostedKind::kBegin, view);
  }

  // After the next commit.
  void call_at_commit(const std::vector<int>& from) {
    ++number_;
    call(PostedKind::kPrepareAtCommit);
    await_prepared(from);
  }

  void await_commit(int slot, int64_t step) {
    while (board_.report(slot).committed_step < step) {
      std::this_thread::yield();
    }
  }

  // Once the last step is committed: a view to stop in, as the coordinator
  // gives.
  void finish() {
    await_commit(view_slots_.front(), config_.run.steps);
    config::View stop = view_;
    stop.stop = true;
    change_view(view_slots_, stop);
    join();
  }

  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  int64_t committed_step(int slot) const {
    return board_.report(slot).committed_step;
  }

  // Whether owner and backup hold the same bits of every slice.
  bool copies_agree(int64_t step) const {
    const auto bytes = static_cast<size_t>(store_->slice_count()) * 4;
    for (int64_t slice = 0; slice < num_shards_; ++slice) {
      const auto a = store_->data(SliceCopy::kOwner, slice, step);
      const auto b = store_->data(SliceCopy::kBackup, slice, step);
      if (std::memcmp(a.w, b.w, bytes) != 0 ||
          std::memcmp(a.m, b.m, bytes) != 0 ||
          std::memcmp(a.v, b.v, bytes) != 0) {
        return false;
      }
    }
    return true;
  }

  // Of a slot's ring.
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

  // Rank r owns shards [begin of r, begin of r + 1), the next one backs up.
  config::View view_of(const std::vector<int64_t>& ranks,
                       const std::vector<int64_t>& owner_S) const {
    config::View view;
    for (const int64_t rank : ranks) view.members.push_back({rank, 0});
    view.placement.owner_S = owner_S;
    for (const int64_t owner : owner_S) {
      const auto at = std::find(ranks.begin(), ranks.end(), owner);
      const int64_t next = at + 1 == ranks.end() ? ranks.front() : *(at + 1);
      view.placement.backup_S.push_back(ranks.size() > 1 ? next
                                                         : config::kNoBackup);
    }
    return view;
  }

  int64_t start_step = 0;  // if no slice is in memory
  int64_t last_start = 0;

 private:
  distributed::WindowsLayout layout() const {
    return {.num_slots = kSlots,
            .max_blocks = static_cast<int>(num_shards_),
            .padded_count = padded_count_};
  }
  uint64_t store_bytes() const {
    return SliceStore::bytes(num_shards_, padded_count_ / num_shards_);
  }

  distributed::MessageRing ring_of(int slot, bool fresh) {
    return {{rings_.at<std::byte>(static_cast<uint64_t>(slot) * kRingBytes,
                                  kRingBytes),
             kRingBytes},
            fresh};
  }

  void post(PostedKind kind, const config::View& view) {
    board_.post({.kind = kind, .view = view, .sequence = 0});
  }

  void call(PostedKind kind) {
    config::View view;
    view.number = number_;
    post(kind, view);
  }

  void await_prepared(const std::vector<int>& slots) {
    for (const int slot : slots) {
      for (;;) {
        const uint32_t news = board_.news();
        const auto report = board_.report(slot);
        if (report.state == SlotState::kPrepared && report.number == number_) {
          break;
        }
        board_.wait_news(news, 1);
      }
    }
  }

  void run_rank(int slot, int64_t rank, const std::string& target) {
    const auto backend = kernels::make_cpu_backend(1, target);
    tensor::Arena plan, plan_room;
    const RankMemory planned(config_, num_shards_ / 2, false, *backend, plan,
                             plan_room);
    tensor::Arena arena(plan.high_water_bytes());
    tensor::Arena room(plan_room.high_water_bytes(),
                       tensor::Arena::Touch::kInUse);
    RankMemory memory(config_, num_shards_ / 2, false, *backend, arena, room);
    ThreadPool pool(1);
    distributed::Seat seat(board_, slot, rank);
    distributed::MessageRing reports = ring_of(slot, false);
    BoardLink link(seat, windows_, pool, reports, clock_, config_.run.steps, memory.sums);
    const RankPlace place{.fs = real_file_system(),
                          .clock = clock_,
                          .backend = *backend,
                          .store = *store_};
    try {
      Rank(config_, data_, place, memory, link).run();
    } catch (const std::exception& error) {
      seat.failed(error.what());
    }
  }

  const config::Config config_;
  const TrainingData data_;
  const int64_t num_shards_, padded_count_;
  ManualClock clock_;
  distributed::Board board_;
  distributed::Windows windows_;
  SharedMemory store_memory_, rings_;
  std::unique_ptr<SliceStore> store_;
  std::vector<std::thread> threads_;
  int64_t number_ = 0;
  config::View view_;  // the newest
  std::vector<int> view_slots_;
};

class RanksTest : public RunTest {
 protected:
  // The run that nothing happens to.
  std::string quiet_hash(config::Config config) {
    config.run.dir = dir("quiet");
    const auto backend = kernels::make_cpu_backend(2);
    const std::atomic<bool> stop{false};
    std::ostringstream out;
    ManualClock clock;
    train(config, data_,
          {.fs = real_file_system(),
           .clock = clock,
           .backend = *backend,
           .stop = stop,
           .stop_reason = nullptr,
           .out = out,
           .progress = {},
           .machine = "test"},
          false);
    return hash("quiet");
  }

  TrainingData data_ = made_up_data();
};

TEST_F(RanksTest, AnyNumberOfRanksGivesTheBitsOfOne) {
  const config::Config config = tiny_config(dir("ranks"));
  const std::string want = quiet_hash(config);
  const std::vector<std::vector<int64_t>> placements = {
      {0, 0, 0, 0}, {0, 0, 1, 1}, {0, 1, 2, 3}, {0, 1, 1, 2}, {1, 0, 0, 1}};
  for (const std::vector<int64_t>& owner_S : placements) {
    std::filesystem::remove_all(dir("ranks"));
    Machine machine(config, data_);
    const int64_t last = *std::max_element(owner_S.begin(), owner_S.end());
    std::vector<int64_t> ranks(static_cast<size_t>(last + 1));
    std::iota(ranks.begin(), ranks.end(), 0);
    for (const int64_t rank : ranks) {
      machine.start_rank(static_cast<int>(rank), rank);
    }
    machine.change_view(std::vector<int>(ranks.begin(), ranks.end()),
                        machine.view_of(ranks, owner_S));
    machine.finish();
    EXPECT_EQ(hash("ranks"), want);
  }
}

// The owner of all shards needs no sum of others, but its backup needs its
// gradients, and time to read them.
TEST_F(RanksTest, ARankThatOwnsAllShardsDoesNotRunAheadOfItsBackup) {
  config::Config config = tiny_config(dir("ranks"));
  config.run.steps = 40;
  Machine machine(config, data_);
  machine.start_rank(0, 0);
  machine.start_rank(1, 1);
  machine.change_view({0, 1}, machine.view_of({0, 1}, {0, 0, 0, 0}));
  machine.await_commit(0, config.run.steps);
  const bool in_step = machine.committed_step(1) >= config.run.steps - 1;
  EXPECT_TRUE(in_step) << "step " << machine.committed_step(1);
  if (in_step) {
    machine.await_commit(1, config.run.steps);
    EXPECT_TRUE(machine.copies_agree(config.run.steps));
  }
  machine.finish();
}

TEST_F(RanksTest, TheChiefReportsEveryStepAndTheEnd) {
  const config::Config config = tiny_config(dir("ranks"));
  Machine machine(config, data_);
  machine.start_rank(0, 0);
  machine.start_rank(1, 1);
  machine.change_view({0, 1}, machine.view_of({0, 1}, {1, 1, 0, 0}));
  machine.finish();
  int64_t steps = 0, validations = 0, checkpoints = 0, ends = 0, views = 0;
  for (const JournalEvent& event : machine.events(1)) {
    steps += std::holds_alternative<StepMetrics>(event);
    validations += std::holds_alternative<Validation>(event);
    checkpoints += std::holds_alternative<CheckpointSaved>(event);
    ends += std::holds_alternative<RunFinished>(event);
    views += std::holds_alternative<ViewReady>(event);
  }
  EXPECT_EQ(steps, 12);
  EXPECT_EQ(validations, 3);
  EXPECT_EQ(checkpoints, 3);
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(views, 2);  // the one to stop in is one
  const std::vector<JournalEvent> others = machine.events(0);
  ASSERT_EQ(others.size(), 1u);
  EXPECT_EQ(std::get<RankReady>(others[0]).rank, 0);
}

TEST_F(RanksTest, PlacementsThatChangeAtAnyMomentChangeNoBit) {
  config::Config config = tiny_config(dir("ranks"));
  config.run.steps = 60;
  config.run.checkpoint_every = 7;
  const std::string want = quiet_hash(config);
  Machine machine(config, data_);
  for (int slot = 0; slot < 3; ++slot) machine.start_rank(slot, slot);
  const std::vector<std::vector<int64_t>> placements = {
      {0, 0, 1, 2}, {2, 1, 1, 0}, {1, 1, 2, 2}, {0, 1, 2, 0}, {2, 2, 0, 0}};
  for (size_t i = 0; i < placements.size(); ++i) {
    machine.change_view({0, 1, 2}, machine.view_of({0, 1, 2}, placements[i]));
    machine.await_commit(static_cast<int>(placements[i][0]),
                         static_cast<int64_t>(9 * i + 5));
  }
  EXPECT_GT(machine.last_start, 0);
  machine.finish();
  EXPECT_EQ(hash("ranks"), want);
}

TEST_F(RanksTest, ACallAtACommitLosesNoStep) {
  config::Config config = tiny_config(dir("ranks"));
  config.run.steps = 30;
  const std::string want = quiet_hash(config);
  Machine machine(config, data_);
  for (int slot = 0; slot < 2; ++slot) machine.start_rank(slot, slot);
  machine.change_view({0, 1}, machine.view_of({0, 1}, {0, 0, 0, 1}));
  machine.await_commit(0, 4);
  machine.call_at_commit({0, 1});
  machine.change_view({0, 1}, machine.view_of({0, 1}, {0, 0, 1, 1}));
  machine.finish();
  int64_t steps = 0;
  for (const JournalEvent& event : machine.events(0)) {
    steps += std::holds_alternative<StepMetrics>(event);
  }
  EXPECT_EQ(steps, 30);
  EXPECT_EQ(hash("ranks"), want);
}

TEST_F(RanksTest, AStoppedRunGoesOnWithOtherRanks) {
  const config::Config config = tiny_config(dir("ranks"));
  const std::string want = quiet_hash(config);
  int64_t stopped_at = 0;
  {
    Machine machine(config, data_);
    machine.start_rank(0, 0);
    machine.start_rank(1, 1);
    machine.change_view({0, 1}, machine.view_of({0, 1}, {0, 0, 1, 1}));
    machine.await_commit(0, 5);
    config::View stop = machine.view_of({0, 1}, {0, 0, 1, 1});
    stop.stop = true;
    stop.reason = "a test";
    machine.change_view({0, 1}, stop);
    machine.join();
    stopped_at = machine.last_start;
  }
  EXPECT_EQ(checkpoint::list_checkpoints(dir("ranks")).back(), stopped_at);
  Machine machine(config, data_);
  machine.start_step = stopped_at;
  for (int slot = 0; slot < 3; ++slot) machine.start_rank(slot, 7 + slot);
  machine.change_view({0, 1, 2}, machine.view_of({7, 8, 9}, {7, 8, 8, 9}));
  machine.finish();
  EXPECT_EQ(hash("ranks"), want);
}

}  // namespace
}  // namespace colossus::runtime
