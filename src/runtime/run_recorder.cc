#include "runtime/run_recorder.h"

#include "base/error.h"
#include "base/hash.h"
#include "config/model_counts.h"
#include "config/toml.h"
#include "runtime/history.h"
#include "runtime/metrics.h"

namespace colossus::runtime {

RunRecorder::RunRecorder(const config::Config& config, FileSystem& fs,
                         const Clock& clock)
    : config_(config),
      fs_(fs),
      clock_(clock),
      flops_per_token_(
          config::training_flops_per_token(config.model, config.run.seq_len)),
      journal_(fs, clock, config.run.dir) {
  read_past();
}

// What was done before, from the journal.
void RunRecorder::read_past() {
  const RunHistory history = load_history(config_.run.dir);
  starts_before_ = static_cast<int64_t>(history.starts.size());
  for (const StepMetrics& step : history.steps) {
    past_steps_.emplace_back(step.step, step.seconds);
  }
  if (history.starts.empty()) return;
  peak_flops_per_second_ = history.starts.back().peak_flops_per_second;
  newest_step_ = history.starts.back().step;
  if (!history.steps.empty()) {
    newest_step_ = history.steps.back().step;
    last_loss_ = history.steps.back().loss;
  }
  training_seconds_ = seconds_until_step(newest_step_);
}

double RunRecorder::seconds_until_step(int64_t step) const {
  double seconds = 0;
  for (const auto& [number, spent] : past_steps_) {
    if (number <= step) seconds += spent;
  }
  return seconds;
}

JournalEvent RunRecorder::record(JournalEvent event,
                                 const JournalSource& source) {
  std::visit([&](auto& e) { on(e); }, event);
  journal_.write(event, source);
  const bool flush = std::holds_alternative<RunStopped>(event) ||
                     std::holds_alternative<RunFailed>(event) ||
                     std::holds_alternative<RunFinished>(event) ||
                     std::holds_alternative<CheckpointSaved>(event);
  if (flush && tensorboard_ != nullptr) tensorboard_->flush();
  return event;
}

// A file of its own for each process that writes: the steps that it repeats
// replace those of the file before.
TensorBoardWriter& RunRecorder::tensorboard() {
  if (tensorboard_ == nullptr) {
    tensorboard_ = std::make_unique<TensorBoardWriter>(
        fs_, join_path(config_.run.dir, "tensorboard"), clock_.wall_seconds(),
        newest_step_ + 1);
  }
  return *tensorboard_;
}

void RunRecorder::on(RunStarted& event) {
  training_seconds_ = seconds_until_step(event.step);
  newest_step_ = event.step;
  peak_flops_per_second_ = event.peak_flops_per_second;
  tensorboard_.reset();
}

void RunRecorder::on(StepMetrics& event) {
  training_seconds_ += event.seconds;
  last_loss_ = event.loss;
  const auto tokens = static_cast<double>(config_.run.tokens_per_step());
  event.tokens = event.step * config_.run.tokens_per_step();
  event.tokens_per_second = event.seconds > 0 ? tokens / event.seconds : 0;
  event.mfu =
      mfu(event.tokens_per_second, flops_per_token_, peak_flops_per_second_);
  tensorboard().write(event, clock_.wall_seconds());
  newest_step_ = event.step;
}

void RunRecorder::on(Validation& event) {
  tensorboard().write(event, clock_.wall_seconds());
}

void RunRecorder::on(TextSample& event) {
  tensorboard().write(event, clock_.wall_seconds());
}

void RunRecorder::on(RunFinished& event) {
  event.tokens = event.step * config_.run.tokens_per_step();
  event.seconds = training_seconds_;
  event.loss = last_loss_;
}

void RunRecorder::on(Remark& event) {
  if (event.step == 0) event.step = newest_step_;
}

std::string config_path(const std::string& run_folder) {
  return join_path(run_folder, "config.toml");
}

void write_config(FileSystem& fs, config::Config config) {
  write_file_atomically(fs, config_path(config.run.dir),
                        config::write_toml_with_help(fields_of(config)));
}

std::string config_digest(config::Config config) {
  const std::vector<Field> fields = fields_of(config);
  std::string text;
  for (const Field& field : fields) {
    const bool matters =
        config::changes_bits(field.name, config, config, config.run.steps + 1);
    if (matters) text += field.name + "=" + config::value_text(field) + "\n";
  }
  return hash128(std::as_bytes(std::span(text.data(), text.size()))).hex();
}

}  // namespace colossus::runtime
