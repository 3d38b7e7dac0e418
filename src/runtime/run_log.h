// Everything a run says while it goes: journal, TensorBoard, the progress line.
// The ranks tell it what happened, as events; it adds times and rates.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.h"
#include "runtime/journal.h"
#include "runtime/metrics.h"
#include "runtime/progress.h"
#include "runtime/tensorboard.h"
#include "runtime/trainer.h"
#include "tensor/arena.h"

namespace colossus::runtime {

class RunLog {
 public:
  // Opens the run's journal and prints the memory plan.
  RunLog(const config::Config& config, const Surroundings& around,
         const tensor::MemoryPlan& plan);

  // Of the views before this one.
  int64_t views_before() const { return views_before_; }
  // Spent in steps, all views together, each step once.
  double training_seconds() const { return training_seconds_; }

  void note_abrupt_end(const std::string& explanation);  // "": there was none

  // Tokens, rates and MFU of a step are filled in, and so are tokens, seconds
  // and loss of the end.
  void write(JournalEvent event);

  void evaluating(double fraction);  // the last, full validation
  // The peak of the processes' real memory against the plan.
  void note_peak_memory(uint64_t peak_bytes);

 private:
  void on(RunStarted& event);
  void on(StepMetrics& event);
  void on(Validation& event);
  void on(TextSample& event);
  void on(CheckpointDamaged& event);
  void on(RunFinished& event);
  void on(Remark& event);
  void on(RankEnded& event);
  void on(coordinator::ViewBegun& event);
  template <typename Event>
  void on(Event& /*event*/) {}  // nothing to add

  double now() const { return around_.clock.steady_seconds(); }
  double wall() const { return around_.clock.wall_seconds(); }
  void read_past();
  double seconds_until_step(int64_t step) const;

  const config::Config& config_;
  const Surroundings& around_;
  const double flops_per_token_;
  int64_t views_before_ = 0;
  std::vector<std::pair<int64_t, double>> past_steps_;  // step, seconds
  double training_seconds_ = 0;
  double last_loss_ = 0;
  int64_t newest_step_ = 0;
  Journal journal_;
  std::unique_ptr<TensorBoardWriter> tensorboard_;  // null before the start
  ProgressLine progress_;
  RateWindow rate_;
  uint64_t planned_bytes_;
};

// The resolved config of a run: runs/NAME/config.toml.
std::string config_path(const std::string& run_folder);
void write_config(FileSystem& fs, config::Config config);

// A hash over the values that can change the run's bits.
std::string config_digest(config::Config config);

}  // namespace colossus::runtime
