// What a journal says about a run, put in order: every step once, as the run
// finally went, whatever was done twice because of kills and resumes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/journal_event.h"
#include "runtime/time_use.h"

namespace colossus::runtime {

// Expert load is large (layers x experts), so a long run's is thinned out: to
// the steps that are multiples of a power of two.
struct ExpertLoadPoint {
  int64_t step = 0;
  ExpertLoad load;
};

// An event for people to read.
struct Notice {
  enum class Kind { kGood, kNeutral, kBad };
  double wall_seconds = 0;
  int64_t step = 0;
  Kind kind = Kind::kNeutral;
  std::string title;  // "Resumed"
  std::string text;
};

struct RunHistory {
  std::vector<RunStarted> starts;  // as many as views
  std::vector<StepMetrics> steps;  // rising; expert_load moved to the next
  std::vector<ExpertLoadPoint> expert_loads;
  std::vector<Validation> validations;
  std::vector<TextSample> samples;
  std::vector<CheckpointSaved> checkpoints;  // the newest last
  std::vector<Notice> notices;               // all but checkpoints saved
  std::optional<RunFinished> finished;
  // Of a run of several ranks: the newest view, and who started and was not
  // lost, by rank.
  std::optional<coordinator::ViewBegun> view;
  std::vector<RankStarted> ranks;
  std::optional<CoordinatorStarted> coordinator;  // the newest
  std::vector<AgentStarted> agents;               // of each machine the newest
  // How the last view ended: "finished", "stopped", "failed", or "open" (at
  // work, or killed).
  std::string state = "open";
  double first_wall_seconds = 0;
  double last_wall_seconds = 0;
  int64_t num_steps_redone = 0;
  double seconds_redone = 0;  // spent on steps that had to be done again
  TimeBook time_book;         // where the time went
  std::vector<std::string> warnings;  // damaged lines
};

// Feeds events in the order of the journal.
class HistoryBuilder {
 public:
  // At most this many points of expert load are kept.
  explicit HistoryBuilder(size_t max_expert_loads = 1024)
      : max_expert_loads_(max_expert_loads) {}

  void add(JournalRecord record);
  RunHistory finish() &&;

 private:
  void add(RunStarted event);
  void add(StepMetrics event);
  bool is_late(const StepMetrics& event) const;
  void add(Validation event);
  void add(TextSample event);
  void add(CheckpointSaved event);
  void add(const CheckpointDamaged& event);
  void add(const CheckpointSkipped& event);
  void add(const RunStopped& event);
  void add(const RunFailed& event);
  void add(const RunFinished& event);
  void add(const Remark& event);
  void add(CoordinatorStarted event);
  void add(AgentStarted event);
  void add(RankStarted event);
  void add(const RankEnded& event);
  void add(const coordinator::RankLost& event);
  void add(const coordinator::RankReleased& event);
  void forget_rank(int64_t rank);
  void add(const coordinator::MachineLeft& event);
  void add(coordinator::ViewBegun event);
  void add(const coordinator::DifferenceFound& event);
  template <typename Event>
  void add(const Event& /*event*/) {}  // the coordinator's own affairs

  int64_t newest_step() const;
  void forget_steps_after(int64_t step);
  void add_expert_load(StepMetrics& event);
  void note_abrupt_end();
  void notice(int64_t step, Notice::Kind kind, std::string title,
              std::string text);

  size_t max_expert_loads_;
  int64_t expert_load_stride_ = 1;
  double now_ = 0;  // wall time of the record being added
  // Where and when a notice would stand that a killed run could not write.
  size_t notices_at_last_step_ = 0;
  double last_step_seconds_ = 0;
  RunHistory history_;
};

// Reads the journal of a run. Throws what read_journal throws.
RunHistory load_history(const std::string& run_folder);

}  // namespace colossus::runtime
