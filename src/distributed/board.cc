#include "distributed/board.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <random>
#include <utility>

#include "base/error.h"
#include "distributed/board_layout.h"
#include "distributed/futex.h"

namespace colossus::distributed {
namespace {

constexpr uint64_t kMagic = 0x647261'6f627373'63ull;  // "cssboard"
constexpr uint64_t kVersion = 3;

void initialize_life(pthread_mutex_t& life) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&life, &attributes);
  pthread_mutexattr_destroy(&attributes);
}

// A mutex of another kind would crash or hang whoever locks it.
bool is_life_mutex(const pthread_mutex_t& life) {
  pthread_mutex_t fresh;
  initialize_life(fresh);
  return life.__data.__kind == fresh.__data.__kind;
}

void require(bool holds, const char* what) {
  if (holds) return;
  throw run_error(
      "the board of this machine is not valid: {}; stop the agent and ranks "
      "that are left and start again",
      what);
}

bool is_about_shard(int64_t view, int64_t step, int64_t shard) {
  return view > 0 && view < kMaxNumber && step >= 0 && shard >= 0 &&
         shard < kMaxShards;
}

// Nullopt: nothing was found, or it is being written.
std::optional<FoundDifference> difference_of(const SlotData& data) {
  constexpr int64_t kMaxKind = 2;
  const auto found = data.difference.read();
  if (!found || found->view == 0) return std::nullopt;
  require(is_about_shard(found->view, found->step, found->shard) &&
              found->kind >= 0 && found->kind <= kMaxKind &&
              found->first_rank >= -1 && found->second_rank >= -1,
          "a slot's difference is out of bounds");
  return found;
}

std::optional<RecomputedGradient> recomputed_of(const SlotData& data) {
  const auto found = data.recomputed.read();
  if (!found || found->view == 0) return std::nullopt;
  require(is_about_shard(found->view, found->step, found->shard),
          "a slot's recomputed gradient is out of bounds");
  return found;
}

bool needs(const config::View& view, int64_t rank) {
  return config::takes_part(view.placement, rank);
}

}  // namespace

uint64_t Board::bytes() { return sizeof(BoardData); }

Board::Board(SharedMemory memory)
    : memory_(std::move(memory)), data_(memory_.at<BoardData>(0)) {}

Board Board::create(SharedMemory memory, const Hash128& run, int num_slots) {
  COLOSSUS_CHECK(num_slots > 0 && num_slots <= kMaxSlots, "{} slots",
                 num_slots);
  Board board(std::move(memory));
  // Default-initialized, not cleared: the memory is zeros already.
  BoardData& data = *new (board.data_) BoardData;
  data.machine = -1;
  std::random_device random;
  data.memory_id = (uint64_t{random()} << 32) + random();
  for (SlotData& slot : data.slots) {
    initialize_life(slot.life);
    slot.rank = -1;
    slot.awaited = -1;
  }
  for (LifeData& life : data.lives) initialize_life(life.held);
  data.header = {kMagic,   kVersion, bytes(), static_cast<uint64_t>(num_slots),
                 run.high, run.low};
  return board;
}

Board Board::open(SharedMemory memory, const Hash128& run) {
  require(memory.size() >= bytes(), "it is too short");
  Board board(std::move(memory));
  const BoardHeader& header = board.data_->header;
  require(header.magic == kMagic, "it lacks the mark of a board");
  require(header.version == kVersion && header.bytes == bytes(),
          "it was made by another version of Colossus");
  require(header.run_high == run.high && header.run_low == run.low,
          "it belongs to another run");
  require(header.num_slots > 0 && header.num_slots <= kMaxSlots,
          "its number of slots is out of bounds");
  for (const SlotData& slot : board.data_->slots) {
    require(is_life_mutex(slot.life), "a slot's mutex is damaged");
  }
  for (const LifeData& life : board.data_->lives) {
    require(is_life_mutex(life.held), "an office's mutex is damaged");
  }
  return board;
}

int Board::num_slots() const {
  // Written once, but a stray write must not lead anyone out of bounds.
  const uint64_t slots = data_->header.num_slots;
  return static_cast<int>(std::min<uint64_t>(slots, kMaxSlots));
}

SlotData& Board::slot_data(int slot) const {
  COLOSSUS_CHECK(slot >= 0 && slot < num_slots(), "slot {} of {}", slot,
                 num_slots());
  return data_->slots[static_cast<size_t>(slot)];
}

bool Board::post(const Posted& posted) {
  const PostedData plain = encode_posted(posted);
  const Posted current = this->posted();
  if (std::pair(posted.view.number, posted.kind) <=
      std::pair(current.view.number, current.kind)) {
    return false;
  }
  const uint64_t next = data_->sequence.load() + 1;
  std::array<uint64_t, kPostedWords> words;
  std::memcpy(words.data(), &plain, sizeof plain);
  // Release, so that no word of this posting is seen by who does not see the
  // number of the one before it; see `posted`.
  for (size_t i = 0; i < kPostedWords; ++i) {
    data_->posted[next % 2][i].store(words[i], std::memory_order_release);
  }
  data_->sequence.store(next);
  if (posted.kind == PostedKind::kPrepareAtCommit) {
    data_->wish.store(posted.view.number);
  } else {
    data_->order.store(order_of(posted.view.number));
    if (posted.kind == PostedKind::kBegin) disturb_if_lost(posted.view);
  }
  ring_all();
  return true;
}

// After the order was stored, while mark_lost looks at the two the other way
// round: so one of them sees the other.
void Board::disturb_if_lost(const config::View& view) const {
  for (int slot = 0; slot < num_slots(); ++slot) {
    const SlotData& data = slot_data(slot);
    if (data.lost.load() != 0 && needs(view, data.rank.load())) {
      disturb(order_of(view.number));
    }
  }
}

Posted Board::posted() const {
  std::array<uint64_t, kPostedWords> words;
  for (;;) {
    const uint64_t sequence = data_->sequence.load(std::memory_order_acquire);
    // A writer comes back to this half only after it moved `sequence` on. So
    // if a word of that later posting is read here, the check below sees the
    // later sequence: the word's release and acquire carry it along.
    for (size_t i = 0; i < kPostedWords; ++i) {
      words[i] = data_->posted[sequence % 2][i].load(std::memory_order_acquire);
    }
    if (data_->sequence.load(std::memory_order_acquire) != sequence) continue;
    PostedData plain;
    std::memcpy(&plain, words.data(), sizeof plain);
    Posted posted = decode_posted(plain);
    posted.sequence = sequence;
    return posted;
  }
}

uint64_t Board::sequence() const { return data_->sequence.load(); }
const std::atomic<uint64_t>& Board::order() const { return data_->order; }
int64_t Board::wish() const {
  const int64_t wish = data_->wish.load();
  return wish >= 0 && wish < kMaxNumber ? wish : 0;
}
uint32_t Board::news() const { return data_->news.load(); }

void Board::nudge() const { ring(data_->news); }

void Board::wait_news(uint32_t seen, double seconds) const {
  if (news() == seen) futex_wait(data_->news, seen, seconds);
}

SlotReport Board::report(int slot) const {
  const SlotData& data = slot_data(slot);
  const uint64_t state = data.state.load();
  require(state % 256 <= static_cast<uint64_t>(SlotState::kFailed) &&
              state / 256 < static_cast<uint64_t>(kMaxNumber),
          "a slot's state is out of bounds");
  SlotReport report;
  report.state = static_cast<SlotState>(state % 256);
  report.number = static_cast<int64_t>(state / 256);
  report.rank = data.rank.load();
  report.pid = static_cast<pid_t>(data.pid.load());
  report.unreachable = data.unreachable.load();
  report.endpoint = decode_endpoint(data.endpoint.load());
  report.beats = data.beats.load(std::memory_order_relaxed);
  report.away = data.away.load() != 0;
  report.committed_step = data.committed_step.load();
  report.step_seconds = data.step_seconds.load();
  report.compute_seconds = data.compute_seconds.load();
  report.saved_view = data.saved_view.load();
  report.saved_step = data.saved_step.load();
  report.lost = data.lost.load() != 0;
  report.difference = difference_of(data);
  report.recomputed = recomputed_of(data);
  if (report.state == SlotState::kFailed) {
    report.text.assign(data.text.data(),
                       ::strnlen(data.text.data(), data.text.size()));
  }
  return report;
}

void Board::reserve(int slot, int64_t rank) {
  SlotData& data = slot_data(slot);
  data.state.store(static_cast<uint64_t>(SlotState::kEmpty));
  data.pid.store(0);
  data.lost.store(0);
  data.rank.store(rank);
}

void Board::note_process(int slot, pid_t pid) {
  int64_t none = 0;
  slot_data(slot).pid.compare_exchange_strong(none, pid);
}

uint64_t Board::memory_id() const { return data_->memory_id; }
int64_t Board::machine() const { return data_->machine.load(); }
void Board::set_machine(int64_t machine) { data_->machine.store(machine); }

int Board::slot_of(int64_t rank) const {
  for (int slot = 0; slot < num_slots(); ++slot) {
    const SlotData& data = slot_data(slot);
    if (data.state.load() != 0 && data.rank.load() == rank) return slot;
  }
  return -1;
}

void Board::mark_lost(int slot) {
  SlotData& data = slot_data(slot);
  data.lost.store(1);
  for (;;) {
    // The order first: if it moves on while the posting is read, what was read
    // may not be what it stands for.
    const uint64_t order = data_->order.load();
    if (order % 2 != 0 || !is_needed(data.rank.load()) || disturb(order)) {
      return;
    }
  }
}

void Board::call_recompute(const RecomputeCall& call) {
  data_->recompute_call.write(call);
  ring_all();
}

std::optional<RecomputeCall> Board::recompute_call() const {
  const auto call = data_->recompute_call.read();
  if (!call || call->view == 0) return std::nullopt;
  require(is_about_shard(call->view, call->step, call->shard),
          "a call to compute again is out of bounds");
  return call;
}

void Board::disturb_view(int64_t number) { disturb(order_of(number)); }

// Whether the work that is going on cannot do without `rank`.
bool Board::is_needed(int64_t rank) const {
  try {
    const Posted now = posted();
    // Called to prepare at the next commit: the view that runs until then is
    // not on the board any more.
    return now.kind == PostedKind::kPrepareAtCommit ||
           (now.kind == PostedKind::kBegin && needs(now.view, rank));
  } catch (const RunError&) {
    return true;  // a damaged posting: let go, to be safe
  }
}

// False if `order` is not in force any more.
bool Board::disturb(uint64_t order) const {
  if (!data_->order.compare_exchange_strong(order, order | 1)) return false;
  ring_all();
  return true;
}

void Board::ring_all() const {
  for (int slot = 0; slot < num_slots(); ++slot) {
    ring(slot_data(slot).doorbell);
  }
  ring(data_->news);
}

}  // namespace colossus::distributed
