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
namespace {

ExpertLoad by_layer(const std::vector<float>& load_LE, int64_t num_experts) {
  ExpertLoad load;
  if (num_experts == 0) return load;
  for (size_t i = 0; i < load_LE.size(); ++i) {
    if (i % static_cast<size_t>(num_experts) == 0) load.emplace_back();
    load.back().push_back(double{load_LE[i]});
  }
  return load;
}

}  // namespace

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

void RunLog::started(const RunStarted& event) {
  training_seconds_ = seconds_until_step(event.step);
  tensorboard_ = std::make_unique<TensorBoardWriter>(
      around_.fs, join_path(config_.run.dir, "tensorboard"), wall(),
      event.step + 1);
  journal_.write(event);
  progress_.note(fmt::format(
      "{}: {} parameters ({} active), {} tokens a step, numerics {}, {}",
      event.reason, with_thousands(event.num_parameters),
      with_thousands(event.num_active_parameters),
      with_thousands(event.tokens_per_step), event.numerics, event.machine));
  rate_.add(now(), 0);
}

void RunLog::step_done(const StepReport& r) {
  training_seconds_ += r.seconds;
  const auto tokens = static_cast<double>(config_.run.tokens_per_step());
  const double tokens_per_second = r.seconds > 0 ? tokens / r.seconds : 0;
  StepMetrics event;
  event.step = r.step;
  event.loss = r.loss;
  event.aux_loss = r.aux_loss;
  event.learning_rate = r.learning_rate;
  event.grad_norm = r.grad_norm;
  event.tokens = r.step * config_.run.tokens_per_step();
  event.tokens_per_second = tokens_per_second;
  event.mfu =
      mfu(tokens_per_second, flops_per_token_, around_.peak_flops_per_second);
  event.seconds = r.seconds;
  event.expert_load = by_layer(r.expert_load_LE, config_.model.num_experts);
  journal_.write(event);
  tensorboard_->write(event, wall());

  rate_.add(now(), static_cast<double>(event.tokens));
  TrainProgress progress;
  progress.step = r.step;
  progress.steps = config_.run.steps;
  progress.loss = r.loss;
  progress.tokens_per_second =
      rate_.per_second() > 0 ? rate_.per_second() : tokens_per_second;
  progress.mfu = mfu(progress.tokens_per_second, flops_per_token_,
                     around_.peak_flops_per_second);
  progress.seconds_left =
      seconds_left(static_cast<double>(config_.run.steps - r.step) * tokens,
                   progress.tokens_per_second);
  progress_.update(now(), train_view(progress));
}

void RunLog::validated(int64_t step, const EvalResult& result, double seconds) {
  const Validation event{step, result.loss, result.bits_per_byte, seconds};
  journal_.write(event);
  tensorboard_->write(event, wall());
  progress_.note(fmt::format(
      "step {}: held-out loss {:.4f}, {:.4f} bits per byte ({} tokens)", step,
      result.loss, result.bits_per_byte, with_thousands(result.tokens)));
}

void RunLog::evaluating(double fraction) {
  progress_.update(now(), {.label = "evaluate",
                           .fraction = fraction,
                           .done = fmt::format("{:.0f}%", 100 * fraction),
                           .facts = {}});
}

void RunLog::sampled(int64_t step, const std::string& prompt,
                     const std::string& text) {
  const TextSample event{step, prompt, text};
  journal_.write(event);
  tensorboard_->write(event, wall());
}

void RunLog::checkpoint_saved(int64_t step, const std::string& path,
                              uint64_t bytes, double seconds) {
  CheckpointSaved event;
  event.step = step;
  event.path = path;
  event.size_bytes = static_cast<int64_t>(bytes);
  event.seconds = seconds;
  journal_.write(event);
  tensorboard_->flush();
}

void RunLog::checkpoint_damaged(int64_t step, const std::string& reason) {
  progress_.note(fmt::format(
      "checkpoint of step {} is damaged and not used: {}", step, reason));
  journal_.write(CheckpointDamaged{step, "", reason});
}

void RunLog::stopped(int64_t step, const std::string& reason) {
  progress_.finish();
  journal_.write(RunStopped{step, reason});
  tensorboard_->flush();
}

void RunLog::failed(int64_t step, const std::string& reason) {
  progress_.finish();
  journal_.write(RunFailed{step, reason});
  tensorboard_->flush();
}

void RunLog::finished(const TrainingSummary& summary, const std::string& hash) {
  RunFinished event;
  event.step = summary.step;
  event.tokens = summary.step * config_.run.tokens_per_step();
  event.seconds = summary.seconds;
  event.loss = summary.loss;
  event.val_loss = summary.val_loss;
  event.bits_per_byte = summary.bits_per_byte;
  event.hash = hash;
  event.checkpoint = summary.checkpoint;
  journal_.write(event);
  tensorboard_->flush();
  progress_.finish();
  const auto planned = static_cast<double>(planned_bytes_);
  const uint64_t peak = peak_resident_bytes();
  progress_.note(fmt::format(
      "memory: {} at the peak, {:+.1f}% of the plan", human_bytes(peak),
      100 * (static_cast<double>(peak) - planned) / planned));
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
