// A bit flips in the midst of a run. With the coordinator's own rules deciding:
// it is found, named in the journal, and no bit of the result shows it.
#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <set>

#include "base/error.h"
#include "agent/agent_rules.h"
#include "agent/machine_report.h"
#include "coordinator/core.h"
#include "runtime/ranks_testing.h"

namespace colossus::runtime {
namespace {

using agent::AgentAction;
using checkpoint::SliceCopy;
using checkpoint::SliceData;
using distributed::PostedKind;
using distributed::SlotState;

constexpr int kSlots = 8;
constexpr int64_t kMachine = 0;

// A machine with its agent, and the coordinator. A rank that is to be killed is
// left alone in place of that: nothing of it is used again.
class SupervisedRun : public RankThreads {
 public:
  SupervisedRun(const config::Config& config, const TrainingData& data,
                int64_t ranks, MakeProbe make_probe)
      : RankThreads(config, data, kSlots), last_step_(config.run.steps) {
    set_probe(std::move(make_probe));
    coordinator::CoordinatorOptions options;
    options.num_shards = config.run.num_shards;
    options.total_steps = config.run.steps;
    // Tests may take as long as they like.
    options.silence_us = options.join_patience_us = int64_t{3600} * 1'000'000;
    coordinator::RunState state;
    apply(state, coordinator::SizeAsked{ranks, 0, "a test"});
    core_ = std::make_unique<coordinator::CoordinatorCore>(options, state, 0);
  }

  // To the end, also if that is a failure.
  void run() {
    while (!core_->state().ended) {
      const uint32_t news = board().news();
      look_at_ranks();
      report();
      board().wait_news(news, 0.02);
    }
    dismiss_idle_ranks();
    join();
    read_reports();
  }

  const std::vector<JournalEvent>& journal() const { return journal_; }
  template <typename Event>
  std::vector<Event> all() const {
    std::vector<Event> found;
    for (const JournalEvent& event : journal_) {
      if (const auto* e = std::get_if<Event>(&event)) found.push_back(*e);
    }
    return found;
  }

 private:
  void handle(const coordinator::Event& event) {
    // The rules need no clock here but one that goes on.
    for (const coordinator::Action& action : core_->handle(++now_us_, event)) {
      if (const auto* record = std::get_if<coordinator::WriteRecord>(&action)) {
        std::visit([&](const auto& d) { journal_.emplace_back(d); },
                   record->decision);
      } else if (const auto* orders =
                     std::get_if<coordinator::SendOrders>(&action)) {
        obey(*orders->orders);
      }
    }
  }

  void obey(const coordinator::AgentOrders& orders) {
    for (const AgentAction& action : agent::obey_orders(orders, rules_)) {
      if (action.kind != AgentAction::Kind::kStart) continue;
      slot_of_[action.rank] = static_cast<int>(action.rank);
      ASSERT_LT(action.rank, kSlots);
      start_rank(static_cast<int>(action.rank), action.rank);
    }
    if (rules_.recompute) {
      board().call_recompute(agent::recompute_call(*rules_.recompute));
    }
    distributed::Posted call;
    call.kind = rules_.stop_step == coordinator::kAtOnce
                    ? PostedKind::kPrepare
                    : PostedKind::kPrepareAtCommit;
    call.view.number = rules_.number;
    if (rules_.number > 0) board().post(call);
    if (rules_.begun == nullptr) return;
    if (rules_.begun->view.number > posted_view_) {
      posted_view_ = rules_.begun->view.number;
      agent::discard_other_states(store(), *rules_.begun);
    }
    distributed::Posted view{PostedKind::kBegin, rules_.begun->view, 0};
    view.view.stop = rules_.begun->save_and_stop;
    board().post(view);
  }

  void look_at_ranks() {
    read_reports();
    const std::vector<coordinator::RankSlot> slots = rules_.slots;
    for (const coordinator::RankSlot& known : slots) {
      const auto report = board().report(slot_of_.at(known.rank));
      // Whoever else waits would wait for ever.
      COLOSSUS_CHECK(report.state != SlotState::kFailed, "rank {}: {}",
                     known.rank, report.text);
      if (report.rank != known.rank) continue;
      const bool in_view = report.state == SlotState::kRunning;
      if (!in_view && report.state != SlotState::kPrepared) continue;
      coordinator::RankSlot& slot = *agent::find_slot(rules_, known.rank);
      agent::note_findings(report, slot);
      slot.ready = true;
      slot.let_go = std::max(slot.let_go, report.number);
      if (slot.dying && !in_view && report.number >= rules_.number) {
        agent::rank_gone(known.rank, rules_);
      } else if (in_view) {
        slot.view = report.number;
        slot.committed_step = report.committed_step;
        agent::note_checked({report.number, report.committed_step}, rules_);
      }
    }
  }

  void read_reports() {
    for (const auto& [rank, slot] : slot_of_) {
      for (JournalEvent& event : events(slot)) {
        if (const auto* saved = std::get_if<CheckpointSaved>(&event)) {
          if (saved->step < last_step_) note_saved(rank, saved->step);
        } else if (const auto* end = std::get_if<RunFinished>(&event)) {
          note_saved(rank, end->step);
        }
        journal_.push_back(std::move(event));
      }
    }
  }

  void note_saved(int64_t rank, int64_t step) {
    const coordinator::RankSlot* chief = agent::find_slot(rules_, rank);
    if (chief == nullptr) return;
    const bool ends = rules_.begun != nullptr && rules_.begun->save_and_stop;
    const int64_t view = ends ? rules_.begun->view.number : chief->view;
    for (coordinator::RankSlot& slot : rules_.slots) {
      slot.saved_view = view;
      slot.saved_step = step;
    }
  }

  void report() {
    coordinator::AgentReport report = agent::report_of(kMachine, rules_);
    report.incarnation = 1;
    report.sequence = ++sequence_;
    if (report.answered) {
      report.copies = copies_.answer(store(), rules_.number, rules_.verify);
    }
    handle(report);
  }

  void await(int64_t rank, const std::function<bool(SlotState)>& wanted) {
    for (;;) {
      const uint32_t news = board().news();
      if (wanted(board().report(slot_of_.at(rank)).state)) return;
      board().wait_news(news, 1);
    }
  }

  // Once the others have left: a view of their own, in which nothing is to do.
  void dismiss_idle_ranks() {
    const bool failed = core_->state().failed;
    std::vector<int64_t> idle;
    for (const auto& [rank, slot] : slot_of_) {
      const auto& owners = rules_.begun->view.placement.owner_S;
      const auto& backups = rules_.begun->view.placement.backup_S;
      const bool leaves = std::count(owners.begin(), owners.end(), rank) +
                              std::count(backups.begin(), backups.end(), rank) >
                          0;
      if (failed || !leaves) idle.push_back(rank);
      await(rank, [&](SlotState state) {
        if (!failed && leaves) return state == SlotState::kDone;
        return state == SlotState::kPrepared || state == SlotState::kRunning;
      });
    }
    if (idle.empty()) return;
    distributed::Posted view;
    view.kind = PostedKind::kBegin;
    view.view.number = rules_.number + 1;
    view.view.start_step = failed ? 0 : last_step_;
    view.view.stop = true;
    for (const int64_t rank : idle) view.view.members.push_back({rank, 0});
    for (size_t s = 0; s < static_cast<size_t>(num_shards()); ++s) {
      view.view.placement.owner_S.push_back(idle[s % idle.size()]);
      view.view.placement.backup_S.push_back(config::kNoBackup);
    }
    board().post(view);
  }

  const int64_t last_step_;
  std::unique_ptr<coordinator::CoordinatorCore> core_;
  coordinator::Board rules_;
  agent::CopiesAnswer copies_;
  std::map<int64_t, int> slot_of_;  // by rank
  std::vector<JournalEvent> journal_;
  int64_t now_us_ = 0, sequence_ = 0, posted_view_ = 0;
};

void flip(float& value, int bit) {
  value = std::bit_cast<float>(std::bit_cast<uint32_t>(value) ^
                               (uint32_t{1} << bit));
}

// Calls the given functions on the rank, and the same again until one of them
// says that it did what it is for.
struct Flips {
  std::function<bool(int64_t step, int64_t shard, float* gradient)> computed;
  std::function<bool(int64_t step, int64_t slice, float* sum,
                     checkpoint::SliceStore& store)>
      summed;
  std::function<bool(int64_t step, checkpoint::SliceStore& store)> stored;
};

class FlippingProbe : public StepProbe {
 public:
  FlippingProbe(Flips flips, checkpoint::SliceStore& store)
      : flips_(std::move(flips)), store_(store) {}

  void computed(int64_t step, int64_t shard, float* gradient) override {
    if (flips_.computed && flips_.computed(step, shard, gradient)) {
      flips_.computed = nullptr;
    }
  }
  void summed(int64_t step, int64_t slice, float* sum) override {
    if (flips_.summed && flips_.summed(step, slice, sum, store_)) {
      flips_.summed = nullptr;
    }
  }
  void stored(int64_t step) override {
    if (flips_.stored && flips_.stored(step, store_)) flips_.stored = nullptr;
  }

 private:
  Flips flips_;
  checkpoint::SliceStore& store_;
};

class AuditTest : public RunTest {
 protected:
  AuditTest() : config_(tiny_config(dir("ranks"))) {
    config_.run.audit_fraction = 0;
  }

  // Of a run of `ranks` ranks, of which one has its bits flipped.
  void train_with(int64_t ranks, int64_t rank, const Flips& flips) {
    run_ = std::make_unique<SupervisedRun>(
        config_, data_, ranks,
        [rank, flips](int64_t number, checkpoint::SliceStore& store)
            -> std::unique_ptr<StepProbe> {
          if (number != rank) return nullptr;
          return std::make_unique<FlippingProbe>(flips, store);
        });
    run_->run();
  }

  // Differences found, each "kind rank rank".
  std::multiset<std::string> differences() const {
    std::multiset<std::string> found;
    for (const auto& d : run_->all<coordinator::DifferenceFound>()) {
      found.insert(
          fmt::format("{} {} {}", d.kind, d.first_rank, d.second_rank));
    }
    return found;
  }
  // What was decided, for who reads of a failure.
  std::string story() const {
    std::string text;
    for (const JournalEvent& event : run_->journal()) {
      std::visit(
          [&](const auto& e) {
            if constexpr (requires { e.reason; }) text += e.reason + "\n";
          },
          event);
    }
    return text;
  }
  // Whether a view's reason says so.
  bool a_view_says(const std::string& words) const {
    for (const auto& view : run_->all<coordinator::ViewBegun>()) {
      if (view.reason.find(words) != std::string::npos) return true;
    }
    return false;
  }
  std::vector<std::string> lost() const {
    std::vector<std::string> reasons;
    for (const auto& loss : run_->all<coordinator::RankLost>()) {
      reasons.push_back(loss.reason);
    }
    return reasons;
  }
  // No test changes a field of the config that changes bits.
  void expect_the_quiet_bits() {
    static const std::string want = quiet_run(config_, data_, dir("quiet"));
    ASSERT_FALSE(run_->all<RunFinished>().empty());
    EXPECT_EQ(hash("ranks"), want);
  }

  config::Config config_;
  const TrainingData data_ = made_up_data();
  std::unique_ptr<SupervisedRun> run_;
};

using Differences = std::multiset<std::string>;

TEST_F(AuditTest, AQuietRunHasNoDifferenceHoweverMuchIsAudited) {
  for (const double fraction : {0.0, 0.5, 1.0}) {
    std::filesystem::remove_all(dir("ranks"));
    config_.run.audit_fraction = fraction;
    train_with(3, 0, {});
    EXPECT_EQ(differences(), Differences{});
    EXPECT_EQ(run_->all<coordinator::ViewBegun>().size(), 2u);
    expect_the_quiet_bits();
  }
}

// Rank 1 owns slices 2 and 3, and backs up 0 and 1. A copy flips right before
// its update, which alone reads it then.
TEST_F(AuditTest, AFlipAtRestIsFoundAndTheOtherCopyServes) {
  struct Case {
    SliceCopy copy;
    float* SliceData::*vector;
    int bit;
  };
  for (const Case& c : {Case{SliceCopy::kOwner, &SliceData::w, 0},
                        Case{SliceCopy::kOwner, &SliceData::m, 17},
                        Case{SliceCopy::kOwner, &SliceData::v, 30},
                        Case{SliceCopy::kBackup, &SliceData::w, 31},
                        Case{SliceCopy::kBackup, &SliceData::m, 3},
                        Case{SliceCopy::kBackup, &SliceData::v, 24}}) {
    std::filesystem::remove_all(dir("ranks"));
    Flips flips;
    flips.summed = [c](int64_t step, int64_t slice, float*,
                       checkpoint::SliceStore& store) {
      const int64_t of_rank = c.copy == SliceCopy::kOwner ? 2 : 0;
      if (step != 6 || slice != of_rank) return false;
      flip((store.data(c.copy, slice, 5).*c.vector)[7], c.bit);
      return true;
    };
    train_with(2, 1, flips);
    EXPECT_EQ(differences().size(), 1u) << story();
    EXPECT_TRUE(differences().begin()->starts_with("update"));
    EXPECT_TRUE(a_view_says("fails its own hash"));
    EXPECT_TRUE(a_view_says("from step 5, which lives in memory"));
    EXPECT_TRUE(lost().empty());
    expect_the_quiet_bits();
  }
}

TEST_F(AuditTest, AFlipInASumIsFoundAndTheStepMadeAgain) {
  for (const int64_t rank : {0, 1}) {
    std::filesystem::remove_all(dir("ranks"));
    Flips flips;
    flips.summed = [](int64_t step, int64_t, float* sum,
                      checkpoint::SliceStore&) {
      if (step == 6) flip(sum[3], 20);
      return step == 6;
    };
    train_with(2, rank, flips);
    EXPECT_EQ(differences().size(), 1u) << story();
    EXPECT_TRUE(differences().begin()->starts_with("update"));
    EXPECT_FALSE(a_view_says("fails its own hash"));
    EXPECT_TRUE(lost().empty());
    expect_the_quiet_bits();
  }
}

TEST_F(AuditTest, ARankWhoseSumsDifferTwiceIsGivenUp) {
  Flips flips;
  auto times = std::make_shared<int>(0);
  flips.summed = [times](int64_t step, int64_t slice, float* sum,
                         checkpoint::SliceStore&) {
    if (step != 6 || slice != 0) return false;  // as its backup
    flip(sum[3], 20);
    return ++*times == 2;
  };
  train_with(2, 1, flips);
  EXPECT_EQ(differences().size(), 2u);
  ASSERT_EQ(lost().size(), 1u);
  EXPECT_NE(lost()[0].find("rank 1 is given up"), std::string::npos);
  expect_the_quiet_bits();
}

TEST_F(AuditTest, FlipsInBothCopiesLeadBackToTheCheckpoint) {
  Flips flips;
  flips.stored = [](int64_t step, checkpoint::SliceStore& store) {
    if (step != 10) return false;
    for (const SliceCopy copy : {SliceCopy::kOwner, SliceCopy::kBackup}) {
      flip(store.data(copy, 0, 10).m[copy == SliceCopy::kOwner ? 7 : 8], 12);
    }
    return true;
  };
  train_with(2, 0, flips);
  EXPECT_EQ(differences().size(), 1u) << story();
  // Of step 8, or of step 4 if the newer one was still being written.
  EXPECT_TRUE(a_view_says("restored from the checkpoint of step"));
  expect_the_quiet_bits();
}

TEST_F(AuditTest, ACheckpointIsNotWrittenFromAFlippedCopy) {
  Flips flips;
  flips.stored = [](int64_t step, checkpoint::SliceStore& store) {
    if (step != 8) return false;
    flip(store.data(SliceCopy::kOwner, 0, 8).v[7], 12);
    return true;
  };
  for (const int64_t ranks : {1, 2}) {
    std::filesystem::remove_all(dir("ranks"));
    train_with(ranks, 0, flips);
    EXPECT_EQ(differences(), Differences{"transfer -1 0"});
    EXPECT_TRUE(a_view_says("fails its own hash"));
    EXPECT_TRUE(a_view_says("from step 7, which lives in memory"));
    expect_the_quiet_bits();
  }
}

TEST_F(AuditTest, AFlipInAGradientIsFoundIfItIsAudited) {
  config_.run.audit_fraction = 1;
  Flips flips;
  flips.computed = [](int64_t step, int64_t, float* gradient) {
    if (step == 6) flip(gradient[11], 2);
    return step == 6;
  };
  for (const int64_t ranks : {2, 3}) {
    std::filesystem::remove_all(dir("ranks"));
    train_with(ranks, 1, flips);
    ASSERT_EQ(differences().size(), 1u) << story();
    EXPECT_TRUE(differences().begin()->starts_with("gradient"));
    ASSERT_EQ(lost().size(), 1u);
    const std::string words =
        ranks == 2 ? "rank 1 computed another gradient" : "rank 1 was wrong";
    EXPECT_NE(lost()[0].find(words), std::string::npos) << lost()[0];
    expect_the_quiet_bits();
  }
}

TEST_F(AuditTest, TwoRanksThatKeepDifferingOnAGradientStopTheRun) {
  config_.run.audit_fraction = 1;
  Flips flips;
  flips.computed = [](int64_t step, int64_t, float* gradient) {
    if (step == 6) flip(gradient[11], 2);
    return false;
  };
  train_with(2, 1, flips);
  const auto ends = run_->all<coordinator::RunEnded>();
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_TRUE(ends[0].failed);
  EXPECT_NE(ends[0].reason.find("check both machines"), std::string::npos);
}

// No step is audited by lot; but a norm that is not finite is looked into
// before the run gives up.
TEST_F(AuditTest, AGradientThatIsNotFiniteIsComputedAgain) {
  Flips flips;
  flips.computed = [](int64_t step, int64_t, float* gradient) {
    if (step == 6) gradient[11] = std::bit_cast<float>(0x7f800000);
    return step == 6;
  };
  train_with(3, 1, flips);
  ASSERT_EQ(differences().size(), 1u) << story();
  EXPECT_TRUE(differences().begin()->starts_with("gradient"));
  ASSERT_EQ(lost().size(), 1u);
  EXPECT_NE(lost()[0].find("rank 1 was wrong"), std::string::npos);
  expect_the_quiet_bits();
}

TEST_F(AuditTest, AGradientThatIsFarTooLargeIsComputedAgain) {
  Flips flips;
  flips.computed = [](int64_t step, int64_t, float* gradient) {
    if (step == 10) gradient[11] = 1e6f;
    return step == 10;
  };
  train_with(3, 1, flips);
  ASSERT_EQ(differences().size(), 1u) << story();
  EXPECT_TRUE(differences().begin()->starts_with("gradient"));
  expect_the_quiet_bits();
}

}  // namespace
}  // namespace colossus::runtime
