// Everything a run says while it goes: journal, TensorBoard, the progress line.
// The trainer tells it what happened; it adds times and rates.
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

struct StepReport {
  int64_t step;
  double loss, aux_loss, learning_rate, grad_norm;
  double seconds;
  std::vector<float> expert_load_LE;
};

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
  void started(const RunStarted& event);
  void step_done(const StepReport& report);
  void validated(int64_t step, const EvalResult& result, double seconds);
  void evaluating(double fraction);  // the last, full validation
  void sampled(int64_t step, const std::string& prompt,
               const std::string& text);
  void checkpoint_saved(int64_t step, const std::string& path, uint64_t bytes,
                        double seconds);
  void checkpoint_damaged(int64_t step, const std::string& reason);
  void stopped(int64_t step, const std::string& reason);
  void failed(int64_t step, const std::string& reason);
  void finished(const TrainingSummary& summary, const std::string& hash);

 private:
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
  Journal journal_;
  std::unique_ptr<TensorBoardWriter> tensorboard_;
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
