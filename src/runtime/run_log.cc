#include "runtime/run_log.h"

#include <algorithm>
#include <ostream>

#include "base/error.h"
#include "base/hash.h"
#include "base/strings.h"
#include "config/model_counts.h"
#include "config/toml.h"
#include "runtime/history.h"
#include "runtime/machine_memory.h"
#include "runtime/run_memory.h"

namespace colossus::runtime {
RunLog::RunLog(const config::Config& config, const Surroundings& around,
               const tensor::MemoryPlan& plan)
    : config_(config),
      around_(around),
      flops_per_token_(
          config::training_flops_per_token(config.model, config.run.seq_len)),
      journal_(around.fs, around.clock, config.run.dir),
      progress_(around.out, around.progress),
      planned_bytes_(tensor::total_bytes(plan)) {
  read_past();
  progress_.note(memory_plan_text(plan));
}

// What the views before did, from the journal.
void RunLog::read_past() {
  const RunHistory history = load_history(config_.run.dir);
  views_before_ = static_cast<int64_t>(history.starts.size());
  for (const StepMetrics& step : history.steps) {
    past_steps_.emplace_back(step.step, step.seconds);
  }
}

double RunLog::seconds_until_step(int64_t step) const {
  double seconds = 0;
  for (const auto& [number, spent] : past_steps_) {
    if (number <= step) seconds += spent;
  }
  return seconds;
}

void RunLog::note_abrupt_end(const std::string& explanation) {
  if (explanation.empty()) return;
  progress_.note("the run before: " + explanation);
  journal_.write(Remark{0, explanation});
}

void RunLog::write(JournalEvent event) {
  std::visit([&](auto& e) { on(e); }, event);
  journal_.write(event);
  const bool an_end = std::holds_alternative<RunStopped>(event) ||
                      std::holds_alternative<RunFailed>(event) ||
                      std::holds_alternative<RunFinished>(event);
  if (an_end) progress_.finish();
  const bool flush = an_end || std::holds_alternative<CheckpointSaved>(event);
  if (flush && tensorboard_ != nullptr) tensorboard_->flush();
}

void RunLog::on(RunStarted& event) {
  training_seconds_ = seconds_until_step(event.step);
  newest_step_ = event.step;
  tensorboard_ = std::make_unique<TensorBoardWriter>(
      around_.fs, join_path(config_.run.dir, "tensorboard"), wall(),
      event.step + 1);
  progress_.note(fmt::format(
      "{}: {} parameters ({} active), {} tokens a step, numerics {}, {}",
      event.reason, with_thousands(event.num_parameters),
      with_thousands(event.num_active_parameters),
      with_thousands(event.tokens_per_step), event.numerics, event.machine));
  rate_.add(now(), 0);
}

void RunLog::on(StepMetrics& event) {
  training_seconds_ += event.seconds;
  last_loss_ = event.loss;
  newest_step_ = event.step;
  const auto tokens = static_cast<double>(config_.run.tokens_per_step());
  event.tokens = event.step * config_.run.tokens_per_step();
  event.tokens_per_second = event.seconds > 0 ? tokens / event.seconds : 0;
  event.mfu = mfu(event.tokens_per_second, flops_per_token_,
                  around_.peak_flops_per_second);
  tensorboard_->write(event, wall());

  rate_.add(now(), static_cast<double>(event.tokens));
  TrainProgress progress;
  progress.step = event.step;
  progress.steps = config_.run.steps;
  progress.loss = event.loss;
  progress.tokens_per_second =
      rate_.per_second() > 0 ? rate_.per_second() : event.tokens_per_second;
  progress.mfu = mfu(progress.tokens_per_second, flops_per_token_,
                     around_.peak_flops_per_second);
  progress.seconds_left =
      seconds_left(static_cast<double>(config_.run.steps - event.step) * tokens,
                   progress.tokens_per_second);
  progress_.update(now(), train_view(progress));
}

void RunLog::on(Validation& event) {
  tensorboard_->write(event, wall());
  progress_.note(
      fmt::format("step {}: held-out loss {:.4f}, {:.4f} bits per byte",
                  event.step, event.val_loss, event.bits_per_byte));
}

void RunLog::on(TextSample& event) { tensorboard_->write(event, wall()); }

void RunLog::on(CheckpointDamaged& event) {
  progress_.note(
      fmt::format("checkpoint of step {} is damaged and not used: {}",
                  event.step, event.reason));
}

void RunLog::on(RunFinished& event) {
  event.tokens = event.step * config_.run.tokens_per_step();
  event.seconds = training_seconds_;
  event.loss = last_loss_;
}

void RunLog::on(Remark& event) {
  if (event.step == 0) event.step = newest_step_;
  progress_.note(event.reason);
}

void RunLog::on(RankEnded& event) { progress_.note(event.reason); }

void RunLog::on(coordinator::ViewBegun& event) {
  progress_.note(fmt::format("view {} from step {}: {}", event.number,
                             event.start_step, event.reason));
}

void RunLog::evaluating(double fraction) {
  progress_.update(now(), {.label = "evaluate",
                           .fraction = fraction,
                           .done = fmt::format("{:.0f}%", 100 * fraction),
                           .facts = {}});
}

void RunLog::note_peak_memory(uint64_t peak_bytes) {
  const auto planned = static_cast<double>(planned_bytes_);
  progress_.note(fmt::format(
      "memory: {} at the peak, {:+.1f}% of the plan", human_bytes(peak_bytes),
      100 * (static_cast<double>(peak_bytes) - planned) / planned));
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
