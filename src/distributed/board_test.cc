#include "distributed/board.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <thread>

#include "base/error.h"
#include "base/random.h"
#include "distributed/board_layout.h"
#include "distributed/seat.h"
#include "distributed/test_machine.h"

namespace colossus::distributed {
namespace {

config::View view_of(int64_t number) {
  config::View view;
  view.number = number;
  view.members = {{3, 0}, {5, 1}, {8, 0}};
  view.placement.owner_S = {3, 5, 3, 3};
  view.placement.backup_S = {5, 3, 5, config::kNoBackup};
  view.start_step = 17 * number;
  view.reason = "rank 4 was killed";
  return view;
}

Board make_board(int num_slots = 4) {
  return Board::create(SharedMemory::create(Board::bytes(), "board-test"),
                       kTestRun, num_slots);
}

Board open_again(const Board& board) {
  return Board::open(SharedMemory::map(::dup(board.memory().fd())), kTestRun);
}

TEST(Board, ShowsWhatWasPostedToWhoOpensIt) {
  Board board = make_board();
  EXPECT_EQ(board.posted().kind, PostedKind::kNothing);
  ASSERT_TRUE(board.post({PostedKind::kBegin, view_of(7), 0}));
  const Board other = open_again(board);
  const Posted posted = other.posted();
  EXPECT_EQ(posted.kind, PostedKind::kBegin);
  EXPECT_EQ(posted.view, view_of(7));
  EXPECT_TRUE(posted.hash_S.empty());
  EXPECT_EQ(posted.sequence, 1u);
  EXPECT_EQ(other.order(), order_of(7));
  EXPECT_EQ(other.num_slots(), 4);
}

TEST(Board, ShowsTheStateThatAViewStartsFrom) {
  Board board = make_board();
  Posted posted = {PostedKind::kBegin, view_of(7), 0, {{1, 2}, {3, 4}}};
  EXPECT_THROW(board.post(posted), RunError);  // of 4 slices
  posted.hash_S.insert(posted.hash_S.end(), {{5, 6}, {7, 8}});
  ASSERT_TRUE(board.post(posted));
  EXPECT_EQ(open_again(board).posted().hash_S, posted.hash_S);
}

TEST(Board, DropsPostingsOfOlderViews) {
  Board board = make_board();
  EXPECT_TRUE(board.post({PostedKind::kPrepareAtCommit, view_of(7), 0}));
  EXPECT_EQ(board.order(), 0u) << "work goes on until the commit";
  EXPECT_EQ(board.wish(), 7);
  EXPECT_TRUE(board.post({PostedKind::kPrepare, view_of(7), 0}));
  EXPECT_EQ(board.order(), order_of(7));
  EXPECT_FALSE(board.post({PostedKind::kPrepareAtCommit, view_of(7), 0}));
  EXPECT_TRUE(board.post({PostedKind::kBegin, view_of(7), 0}));
  EXPECT_FALSE(board.post({PostedKind::kBegin, view_of(7), 0}));
  EXPECT_FALSE(board.post({PostedKind::kPrepare, view_of(7), 0}));
  EXPECT_FALSE(board.post({PostedKind::kBegin, view_of(6), 0}));
  EXPECT_TRUE(board.post({PostedKind::kPrepare, view_of(8), 0}));
  EXPECT_EQ(board.posted().sequence, 4u);
}

// A writer that died in the middle of a posting wrote some of its words.
TEST(Board, KeepsTheLastPostingWhenAWriterDiesInTheNext) {
  Board board = make_board();
  board.post({PostedKind::kBegin, view_of(7), 0});
  for (size_t i = 0; i < kPostedWords / 2; ++i) {
    board.data().posted[0][i] = ~uint64_t{0};
  }
  Board successor = open_again(board);
  EXPECT_EQ(successor.posted().view, view_of(7));
  EXPECT_TRUE(successor.post({PostedKind::kBegin, view_of(8), 0}));
  EXPECT_EQ(board.posted().view, view_of(8));
}

TEST(Board, NeverShowsATornPosting) {
  Board board = make_board();
  board.post({PostedKind::kBegin, view_of(1), 0});
  std::jthread writer([&] {
    for (int64_t number = 2; number <= 2000; ++number) {
      board.post({PostedKind::kBegin, view_of(number), 0});
    }
  });
  for (int64_t number = 0; number < 2000;) {
    const Posted posted = board.posted();
    ASSERT_EQ(posted.view, view_of(posted.view.number));
    ASSERT_GE(posted.view.number, number);
    number = posted.view.number;
  }
}

TEST(Board, RefusesWhatIsNoBoardOfThisRun) {
  const auto refused = [](const std::function<void(BoardData&)>& damage) {
    Board board = make_board();
    damage(board.data());
    EXPECT_THROW(open_again(board), RunError);
  };
  refused([](BoardData& data) { data.header.magic ^= 1; });
  refused([](BoardData& data) { data.header.version += 1; });
  refused([](BoardData& data) { data.header.bytes -= 8; });
  refused([](BoardData& data) { data.header.run_low ^= 1; });
  refused([](BoardData& data) { data.header.num_slots = 0; });
  refused([](BoardData& data) { data.header.num_slots = kMaxSlots + 1; });
  refused([](BoardData& data) {
    std::memset(&data.slots[1].life, 0, sizeof(pthread_mutex_t));
  });
  EXPECT_THROW(Board::open(SharedMemory::create(Board::bytes() - 4096, "short"),
                           kTestRun),
               RunError);
}

TEST(Board, RefusesViewsThatDoNotFit) {
  Board board = make_board();
  const auto refused = [&](const std::function<void(config::View&)>& change) {
    Posted posted = {PostedKind::kBegin, view_of(1), 0};
    change(posted.view);
    EXPECT_THROW(board.post(posted), RunError);
  };
  refused([](config::View& v) { v.number = kMaxNumber; });
  refused([](config::View& v) { v.number = -1; });
  refused([](config::View& v) { v.start_step = -1; });
  refused([](config::View& v) { v.members.assign(65, {1, 0}); });
  refused([](config::View& v) { std::swap(v.members[0], v.members[1]); });
  refused([](config::View& v) { v.placement.owner_S[0] = 4; });
  refused([](config::View& v) { v.placement.backup_S[0] = 4; });
  refused([](config::View& v) { v.placement.backup_S.pop_back(); });
  refused([](config::View& v) {
    v.placement.owner_S.pop_back();
    v.placement.backup_S.pop_back();
  });
  refused([](config::View& v) {
    v.placement.owner_S.assign(512, 3);
    v.placement.backup_S.assign(512, 5);
  });
  EXPECT_EQ(board.posted().kind, PostedKind::kNothing);
}

// Any bytes at all in the posting: a valid view or an error, nothing else.
TEST(Board, SurvivesGarbageInThePosting) {
  Board board = make_board();
  board.post({PostedKind::kBegin, view_of(1), 0});
  int refused = 0;
  for (uint64_t seed = 0; seed < 20'000; ++seed) {
    auto& words = board.data().posted[1];
    const size_t at = random_bits(seed, 0, 0) % kPostedWords;
    const uint64_t before = words[at];
    words[at] = seed % 2 == 0 ? random_bits(seed, 1, 0)
                              : before ^ (uint64_t{1} << (seed % 64));
    try {
      const Posted posted = board.posted();
      EXPECT_LE(posted.view.members.size(), 64u);
    } catch (const RunError&) {
      ++refused;
    }
    words[at] = before;
  }
  EXPECT_GT(refused, 0);
  EXPECT_EQ(board.posted().view, view_of(1));
}

// The same for every byte that is not a mutex's.
TEST(Board, SurvivesGarbageAnywhere) {
  Board board = make_board();
  board.post({PostedKind::kBegin, view_of(1), 0});
  auto* const bytes = board.memory().at<unsigned char>(0, Board::bytes());
  const auto in_mutex = [&](size_t at) {
    for (const SlotData& slot : board.data().slots) {
      const auto* life = reinterpret_cast<const unsigned char*>(&slot.life);
      if (bytes + at >= life && bytes + at < life + sizeof slot.life) {
        return true;
      }
    }
    return false;
  };
  int refused = 0;
  for (uint64_t seed = 0; seed < 5000; ++seed) {
    // Before the values, which may be any bytes.
    const size_t at = random_bits(seed, 0, 0) % offsetof(BoardData, values);
    if (in_mutex(at)) continue;
    bytes[at] = static_cast<unsigned char>(random_bits(seed, 1, 0));
    try {
      Board other = open_again(board);
      for (int slot = 0; slot < other.num_slots(); ++slot) other.report(slot);
      EXPECT_LE(other.slot_of(3), kMaxSlots);
      other.mark_lost(0);
      other.post(
          {PostedKind::kPrepare, view_of(static_cast<int64_t>(seed)), 0});
    } catch (const RunError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
}

TEST(Board, SaysThatASlotsStateIsDamaged) {
  Board board = make_board();
  board.slot_data(2).state = 77;
  EXPECT_THROW(board.report(2), RunError);
  EXPECT_EQ(board.report(1).state, SlotState::kEmpty);
}

TEST(Board, SaysThatASlotsFindingsAreDamaged) {
  Board board = make_board();
  const auto refused = [&](const FoundDifference& found) {
    board.slot_data(2).difference.write(found);
    EXPECT_THROW(board.report(2), RunError);
  };
  refused({.kind = 3, .view = 1});
  refused({.kind = -1, .view = 1});
  refused({.view = kMaxNumber});
  refused({.view = 1, .step = -1});
  refused({.view = 1, .shard = kMaxShards});
  refused({.view = 1, .first_rank = -2});
  board.slot_data(2).difference.write({});
  board.slot_data(2).recomputed.write({.view = 1, .shard = -1});
  EXPECT_THROW(board.report(2), RunError);
  board.data().recompute_call.write({.view = -1});
  EXPECT_THROW(board.recompute_call(), RunError);
}

TEST(Board, CallsForAGradientToBeComputedAgain) {
  Board board = make_board();
  EXPECT_EQ(board.recompute_call(), std::nullopt);
  const RecomputeCall call = {.view = 3, .step = 9, .shard = 4, .ranks = {7}};
  board.call_recompute(call);
  EXPECT_EQ(open_again(board).recompute_call(), call);
}

TEST(Board, KeepsAPostedViewDisturbedIfARankThatItNeedsIsLostAlready) {
  Board board = make_board();
  const Seat three(board, 0, 3), eight(board, 1, 8);
  board.mark_lost(board.slot_of(8));
  EXPECT_TRUE(board.post({PostedKind::kBegin, view_of(1), 0}));
  EXPECT_EQ(board.order(), order_of(1)) << "8 is a spare of it";
  board.mark_lost(board.slot_of(3));
  EXPECT_EQ(board.order(), order_of(1) + 1);
  EXPECT_TRUE(board.post({PostedKind::kPrepare, view_of(2), 0}));
  EXPECT_EQ(board.order(), order_of(2));
  EXPECT_TRUE(board.post({PostedKind::kBegin, view_of(2), 0}));
  EXPECT_EQ(board.order(), order_of(2) + 1) << "3 owns shards of it";
}

TEST(Seat, TellsTheAgentWhatItsRankDoes) {
  Board board = make_board();
  const uint32_t seen = board.news();
  {
    Seat seat(board, 2, 30);
    EXPECT_NE(board.news(), seen);
    EXPECT_EQ(board.slot_of(30), 2);
    EXPECT_EQ(board.report(2).state, SlotState::kJoining);
    EXPECT_EQ(board.report(2).pid, ::getpid());
    seat.running(5);
    seat.record_step(41, 2.5, 2.0);
    EXPECT_EQ(board.report(2).state, SlotState::kRunning);
    EXPECT_EQ(board.report(2).number, 5);
    EXPECT_EQ(board.report(2).committed_step, 41);
    EXPECT_EQ(board.report(2).step_seconds, 2.5);
    EXPECT_EQ(board.report(2).compute_seconds, 2.0);
    seat.prepared(6);
    EXPECT_EQ(board.report(2).state, SlotState::kPrepared);
    EXPECT_EQ(board.report(2).number, 6);
  }
  EXPECT_EQ(board.report(2).state, SlotState::kDone);
  {
    Seat seat(board, 2, 31);
    seat.failed(std::string(1000, 'x'));
  }
  EXPECT_EQ(board.report(2).state, SlotState::kFailed);
  EXPECT_EQ(board.report(2).text, std::string(159, 'x'));
  EXPECT_EQ(board.slot_of(30), -1);
}

// Its agent died before it came so far, and a successor gave the slot away.
TEST(Seat, IsNotForARankThatComesTooLate) {
  Board board = make_board();
  board.reserve(2, 8);
  EXPECT_THROW(Seat(board, 2, 7), RunError);
  { const Seat eight(board, 2, 8); }
  board.reserve(2, 9);
  board.mark_lost(2);
  EXPECT_THROW(Seat(board, 2, 9), RunError);
  board.reserve(2, 10);
  const Seat ten(board, 2, 10);
  EXPECT_EQ(board.report(2).rank, 10);
}

TEST(Seat, PassesOnWhatItsRankFound) {
  Board board = make_board();
  const FoundDifference found = {.kind = 1,
                                 .view = 5,
                                 .step = 42,
                                 .shard = 3,
                                 .first_rank = -1,
                                 .second_rank = 30,
                                 .first_hash = {1, 2},
                                 .second_hash = {3, 4}};
  {
    Seat seat(board, 2, 30);
    EXPECT_EQ(board.report(2).difference, std::nullopt);
    const uint32_t seen = board.news();
    seat.differs(found);
    EXPECT_NE(board.news(), seen);
    EXPECT_EQ(board.report(2).difference, found);
    seat.recomputed({.view = 5, .step = 42, .shard = 3, .hash = {5, 6}});
    EXPECT_EQ(board.report(2).recomputed->hash, (Hash128{5, 6}));
  }
  const Seat next(board, 2, 31);
  EXPECT_EQ(board.report(2).difference, std::nullopt);
  EXPECT_EQ(board.report(2).recomputed, std::nullopt);
}

// A rank that dies while it writes leaves nothing; its successor writes on.
TEST(Seat, AFindingThatIsHalfWrittenIsNone) {
  Board board = make_board();
  const Seat seat(board, 2, 30);
  auto& record = board.slot_data(2).difference;
  std::atomic<uint64_t>& sequence =
      *reinterpret_cast<std::atomic<uint64_t>*>(&record);
  ++sequence;
  EXPECT_EQ(board.report(2).difference, std::nullopt);
  record.write({.view = 1});
  EXPECT_EQ(board.report(2).difference->view, 1);
}

TEST(Seat, WaitsForANewerPostingOrGivesUp) {
  Board board = make_board();
  const Seat seat(board, 0, 3);
  EXPECT_EQ(seat.wait_posted(0, 0.01), std::nullopt);
  board.post({PostedKind::kBegin, view_of(1), 0});
  EXPECT_EQ(seat.wait_posted(0, 60)->view, view_of(1));
  EXPECT_EQ(seat.wait_posted(1, 0.01), std::nullopt);
  std::jthread agent([&] {
    board.post({PostedKind::kPrepare, view_of(2), 0});
  });
  EXPECT_EQ(seat.wait_posted(1, 60)->kind, PostedKind::kPrepare);
}

TEST(Seat, PulseBeatsInTheSlotAndFeelsTheOrder) {
  Board board = make_board();
  const Seat seat(board, 0, 3);
  board.post({PostedKind::kBegin, view_of(1), 0});
  Pulse pulse = seat.pulse(1);
  const uint64_t before = board.report(0).beats;
  pulse.beat();
  EXPECT_EQ(board.report(0).beats, before + 1);
  EXPECT_FALSE(pulse.interrupted());
  EXPECT_TRUE(seat.in_force(1));
  board.mark_lost(0);
  EXPECT_TRUE(pulse.interrupted());
  EXPECT_FALSE(seat.in_force(1));
}

}  // namespace
}  // namespace colossus::distributed
