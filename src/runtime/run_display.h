// What a run shows while it goes: the progress line, and a line for whatever
// else its journal says.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <set>
#include <string>

#include "config/config.h"
#include "runtime/journal_event.h"
#include "runtime/metrics.h"
#include "runtime/progress.h"

namespace colossus {
class Clock;
}

namespace colossus::runtime {

class RunDisplay {
 public:
  // All outlives it.
  RunDisplay(const config::Config& config, const Clock& clock,
             std::ostream& out, const ProgressOptions& options);

  // In the order of the journal.
  void show(const JournalEvent& event);
  void note(const std::string& text) { progress_.note(text); }

 private:
  void on(const RunStarted& event);
  void on(const StepMetrics& event);
  void on(const Validation& event);
  void on(const CheckpointDamaged& event);
  void on(const Remark& event);
  void on(const RunStopped& event);
  void on(const RunFailed& event);
  void on(const RunFinished& event);
  void on(const CoordinatorStarted& event);
  void on(const AgentStarted& event);
  void on(const RankEnded& event);
  void on(const coordinator::MachineLost& event);
  void on(const coordinator::MachineLeaves& event);
  void on(const coordinator::MachineLeft& event);
  void on(const coordinator::ViewBegun& event);
  void on(const coordinator::DifferenceFound& event);
  void on(const coordinator::StragglerFound& event);
  template <typename Event>
  void on(const Event& /*event*/) {}  // not for people

  const config::Config& config_;
  const Clock& clock_;
  const double flops_per_token_;
  double peak_flops_per_second_ = 0;
  bool has_coordinator_ = false;
  std::set<int64_t> machines_;  // whose agents came
  ProgressLine progress_;
  RateWindow rate_;
};

}  // namespace colossus::runtime
