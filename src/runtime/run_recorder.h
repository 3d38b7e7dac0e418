// What a run writes of itself: journal and TensorBoard. The ranks say what
// happened, as events; it adds times and rates.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "runtime/journal.h"
#include "runtime/tensorboard.h"

namespace colossus::runtime {

class RunRecorder {
 public:
  // Opens the run's journal, and goes on with what is in it. All outlives it.
  RunRecorder(const config::Config& config, FileSystem& fs, const Clock& clock);

  // Of the starts before this one.
  int64_t starts_before() const { return starts_before_; }
  // Spent in steps, all views together, each step once.
  double training_seconds() const { return training_seconds_; }

  // Returns the event as it was written: tokens, rates and MFU of a step are
  // filled in, and so are tokens, seconds and loss of the end.
  JournalEvent record(JournalEvent event, const JournalSource& source = {});

 private:
  void on(RunStarted& event);
  void on(StepMetrics& event);
  void on(Validation& event);
  void on(TextSample& event);
  void on(RunFinished& event);
  void on(Remark& event);
  template <typename Event>
  void on(Event& /*event*/) {}  // nothing to add

  void read_past();
  double seconds_until_step(int64_t step) const;
  TensorBoardWriter& tensorboard();

  const config::Config& config_;
  FileSystem& fs_;
  const Clock& clock_;
  const double flops_per_token_;
  double peak_flops_per_second_ = 0;
  int64_t starts_before_ = 0;
  std::vector<std::pair<int64_t, double>> past_steps_;  // step, seconds
  double training_seconds_ = 0;
  double last_loss_ = 0;
  int64_t newest_step_ = 0;
  Journal journal_;
  std::unique_ptr<TensorBoardWriter>
      tensorboard_;  // null: nothing to write yet
};

// The resolved config of a run: runs/NAME/config.toml.
std::string config_path(const std::string& run_folder);
void write_config(FileSystem& fs, config::Config config);

// A hash over the values that can change the run's bits.
std::string config_digest(config::Config config);

}  // namespace colossus::runtime
