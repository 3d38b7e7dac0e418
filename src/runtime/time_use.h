// Where the time of a run went, from its journal: the coordinator's ledger, fed
// with what ranks, machines and coordinator wrote down.
//
// A resume goes on with the time at which the run before was last heard of: how
// long it lay still is nobody's loss.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "coordinator/ledger.h"
#include "runtime/journal_event.h"

namespace colossus::runtime {

struct TimeUse {
  double seconds = 0;  // that the run was at work or stood still
  double goodput = 1;  // the share of them in which steps were made that count
  std::array<double, coordinator::kNumLosses> lost_seconds{};

  double lost(coordinator::Loss loss) const {
    return lost_seconds.at(static_cast<size_t>(loss));
  }
};

// Less is not worth a line.
inline constexpr double kLeastLostSeconds = 0.005;

std::string spoken(coordinator::Loss loss);  // "wait for spare"
// "goodput 98.1% of 12m04s; lost: 0.40s detect, ..."
std::string text_of(const TimeUse& use);

// Feed it events in the order of the journal.
class TimeBook {
 public:
  void add(const JournalRecord& record);

  // Until the last event; with `wall_seconds`, until then: of a run that is
  // still at work.
  TimeUse use(double wall_seconds = 0) const;

 private:
  // Each is called once the clock of the run stands at its event.
  void on(const RunStarted& event);
  void on(const StepMetrics& event);
  void on(const RankReady& event);
  void on(const RankEnded& event);
  void on(const ViewReady& event);
  void on(const coordinator::RankLost& event);
  void on(const coordinator::RankReleased& event);
  void on(const coordinator::PrepareBegun& event);
  void on(const coordinator::ViewBegun& event);
  void on(const coordinator::StragglerFound& event);
  template <typename Event>
  void on(const Event& /*event*/) {}  // passes the time

  void advance(double wall_seconds);
  void note_if_no_rank_is_ready();

  coordinator::Ledger ledger_{0};
  int64_t now_us_ = 0;  // of the run's time
  double now_wall_seconds_ =
      -1;              // where the clock then stood; -1: no start yet
  bool over_ = false;  // finished, stopped or failed

  std::optional<coordinator::ViewBegun> view_;
  double view_wall_seconds_ = 0;
  bool view_is_ready_ = false;
  bool stops_ = false;              // ranks stop for a PREPARE, or have
  int64_t step_begin_us_ = 0;       // of the present step
  std::optional<int64_t> sign_us_;  // the last one of a rank that is missed
  std::set<int64_t> ready_ranks_;
  int64_t straggle_us_ = 0;  // of a step
};

}  // namespace colossus::runtime
