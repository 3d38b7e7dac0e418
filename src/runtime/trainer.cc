#include "runtime/trainer.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/thread_pool.h"
#include "checkpoint/checkpoint_reader.h"
#include "checkpoint/checkpoint_store.h"
#include "checkpoint/checkpoint_writer.h"
#include "checkpoint/compare.h"
#include "checkpoint/run_lock.h"
#include "config/model_counts.h"
#include "kernels/backend.h"
#include "model/parameters.h"
#include "optimizer/schedule.h"
#include "optimizer/sharded_adamw.h"
#include "runtime/abrupt_end.h"
#include "runtime/machine_memory.h"
#include "runtime/run_log.h"
#include "runtime/run_memory.h"

namespace colossus::runtime {
namespace {

using checkpoint::CheckpointInfo;

class Trainer {
 public:
  Trainer(const config::Config& config, const TrainingData& data,
          const Surroundings& around, RunLog& log);

  // The road: view, state, steps.
  TrainingSummary run(bool resume);

 private:
  View receive_view(bool resume);
  void initialize_state();
  void announce(const View& view);
  bool steps_until_the_end(const View& view);  // false: stopped by the user

  void do_step(int64_t step);
  [[noreturn]] void fail(int64_t step, const std::string& reason);
  void after_step(int64_t step);
  void validate_now(int64_t step);
  void sample_now(int64_t step);

  CheckpointInfo info_of(int64_t step) const;
  void submit_checkpoint(int64_t step);
  void finish_checkpoint();
  void stop_at(int64_t step);
  TrainingSummary finish(int64_t step);

  const config::Config& config_;
  const TrainingData& data_;
  const Surroundings& around_;
  RunLog& log_;
  tensor::Arena arena_;
  RunBuffers buffers_;
  const optimizer::ShardedAdamW adamw_;
  const tensor::TensorLayout& layout_;
  checkpoint::CheckpointStore store_;
  checkpoint::CheckpointWriter writer_;
  // The checkpoint that the writer may still be at, and when it was given.
  std::optional<int64_t> pending_step_;
  double pending_since_ = 0;
  int64_t saved_step_ = -1;  // newest that is durable
  double last_loss_ = 0;
};

uint64_t arena_bytes(const config::Config& config, kernels::Backend& backend) {
  tensor::Arena plan;
  const RunBuffers planned(config, backend, plan);
  return plan.high_water_bytes();
}

Trainer::Trainer(const config::Config& config, const TrainingData& data,
                 const Surroundings& around, RunLog& log)
    : config_(config),
      data_(data),
      around_(around),
      log_(log),
      arena_(arena_bytes(config, around.backend)),
      buffers_(config, around.backend, arena_),
      adamw_(config.optimizer, buffers_.step.parameters().layout(),
             buffers_.padded_count(), config.run.num_shards, around.backend),
      layout_(buffers_.step.parameters().layout()),
      store_(around.fs, config.run.dir,
             {config.run.keep_last, config.run.keep_every}),
      writer_(store_, layout_, buffers_.snapshot) {}

TrainingSummary Trainer::run(bool resume) {
  const View view = receive_view(resume);
  announce(view);
  if (!steps_until_the_end(view)) {
    TrainingSummary summary;
    summary.step = saved_step_;
    summary.loss = last_loss_;
    summary.seconds = log_.training_seconds();
    summary.checkpoint =
        checkpoint::checkpoint_folder(config_.run.dir, saved_step_);
    return summary;
  }
  return finish(config_.run.steps);
}

// Which step to go on from, and the state as of that step.
View Trainer::receive_view(bool resume) {
  std::vector<checkpoint::SkippedCheckpoint> skipped;
  std::optional<checkpoint::VerifiedCheckpoint> found;
  if (resume) {
    found = checkpoint::newest_good_checkpoint(
        config_.run.dir, checkpoint::Parts::kWeightsAndOptimizer, skipped);
  }
  for (const checkpoint::SkippedCheckpoint& s : skipped) {
    log_.checkpoint_damaged(s.step, s.reason);
  }
  const int64_t number = log_.views_before() + 1;
  if (!found) {
    initialize_state();
    return {number, 0,
            resume ? "no checkpoint yet: from the start" : "new run"};
  }
  found->read_weights(layout_, buffers_.weights());
  found->read_moments(layout_, buffers_.m(), buffers_.v());
  saved_step_ = found->info().step;
  return {number, saved_step_,
          fmt::format("resumed from the checkpoint of step {}", saved_step_)};
}

void Trainer::initialize_state() {
  ThreadPool pool(around_.num_threads);
  model::initialize(buffers_.step.parameters(),
                    static_cast<uint64_t>(config_.run.seed),
                    buffers_.padded_count(), buffers_.state.w, pool);
  std::fill(buffers_.m().begin(), buffers_.m().end(), 0.0f);
  std::fill(buffers_.v().begin(), buffers_.v().end(), 0.0f);
}

void Trainer::announce(const View& view) {
  const config::ModelCounts counts = config::count_model(config_.model);
  RunStarted event;
  event.step = view.start_step;
  event.view = view.number;
  event.resumed = view.start_step > 0;
  event.reason = view.reason;
  event.numerics = around_.backend.numerics_version();
  event.config_digest = info_of(0).config_digest;
  event.machine = around_.machine;
  event.total_steps = config_.run.steps;
  event.tokens_per_step = config_.run.tokens_per_step();
  event.num_parameters = counts.total_parameters;
  event.num_active_parameters = counts.active_parameters;
  event.model_flops_per_token =
      config::training_flops_per_token(config_.model, config_.run.seq_len);
  event.peak_flops_per_second = around_.peak_flops_per_second;
  log_.started(event);
}

bool Trainer::steps_until_the_end(const View& view) {
  for (int64_t step = view.start_step + 1; step <= config_.run.steps; ++step) {
    if (around_.stop) {
      stop_at(step - 1);
      return false;
    }
    do_step(step);
    after_step(step);
  }
  return true;
}

void Trainer::do_step(int64_t step) {
  const double begin = around_.clock.steady_seconds();
  const StepResult result =
      buffers_.step.compute(buffers_.state.w, step, data_.batches);
  if (result.bad_shard >= 0) {
    fail(step, fmt::format("the loss of shard {}, micro-batch {} is not finite",
                           result.bad_shard, result.bad_micro_batch));
  }
  const double grad_norm =
      result.mean_scale * adamw_.grad_norm(result.gradient);
  if (!std::isfinite(grad_norm)) {
    fail(step, fmt::format("the gradient of the step's {} sequences is not "
                           "finite, though their loss is",
                           config_.run.global_batch_size()));
  }
  const double rate =
      optimizer::learning_rate(config_.optimizer, config_.run.steps, step);
  const double scale = result.mean_scale * adamw_.clip_scale(grad_norm);
  for (int64_t slice = 0; slice < config_.run.num_shards; ++slice) {
    adamw_.update_slice(slice, step, rate, scale, result.gradient,
                        buffers_.state);
  }
  last_loss_ = result.loss;
  log_.step_done({.step = step,
                  .loss = result.loss,
                  .aux_loss = result.aux_loss,
                  .learning_rate = rate,
                  .grad_norm = grad_norm,
                  .seconds = around_.clock.steady_seconds() - begin,
                  .expert_load_LE = result.expert_load_LE});
}

// The update of `step` has not happened: the state is that of the step before.
void Trainer::fail(int64_t step, const std::string& reason) {
  if (saved_step_ != step - 1) submit_checkpoint(step - 1);
  finish_checkpoint();
  const std::string message = fmt::format(
      "step {}: {}; the state after step {} is kept in {}; try a lower "
      "optimizer.learning_rate or look at the data of that batch",
      step, reason, step - 1,
      checkpoint::checkpoint_folder(config_.run.dir, step - 1));
  log_.failed(step - 1, message);
  throw RunError(message);
}

void Trainer::after_step(int64_t step) {
  const config::RunConfig& run = config_.run;
  const bool last = step == run.steps;
  const auto due = [&](int64_t every) {
    return every > 0 && step % every == 0 && !last;
  };
  if (due(run.val_every)) validate_now(step);
  if (due(run.sample_every)) sample_now(step);
  if (due(run.checkpoint_every) || last) submit_checkpoint(step);
  if (pending_step_ && !writer_.busy()) finish_checkpoint();
}

void Trainer::validate_now(int64_t step) {
  const double begin = around_.clock.steady_seconds();
  const EvalResult result = evaluate(
      buffers_.step.model(), buffers_.state.w, data_.validation,
      config_.run.val_sequences, [&](double) { return !around_.stop.load(); });
  if (result.stopped || result.tokens == 0) return;
  log_.validated(step, result, around_.clock.steady_seconds() - begin);
}

void Trainer::sample_now(int64_t step) {
  if (around_.text_sampler == nullptr) return;
  log_.sampled(
      step, config_.run.sample_prompt,
      around_.text_sampler->write(buffers_.state.w, config_.run.sample_prompt,
                                  config_.run.sample_tokens));
}

CheckpointInfo Trainer::info_of(int64_t step) const {
  return {.step = step,
          .numerics_version = around_.backend.numerics_version(),
          .config_digest = config_digest(config_),
          .extra = {{"data_digest", data_.digest}}};
}

void Trainer::submit_checkpoint(int64_t step) {
  finish_checkpoint();
  writer_.submit(info_of(step), buffers_.weights(), buffers_.m(), buffers_.v());
  pending_step_ = step;
  pending_since_ = around_.clock.steady_seconds();
}

void Trainer::finish_checkpoint() {
  if (!pending_step_) return;
  const int64_t step = *pending_step_;
  pending_step_.reset();
  writer_.wait();
  saved_step_ = step;
  log_.checkpoint_saved(step,
                        checkpoint::checkpoint_folder(config_.run.dir, step),
                        checkpoint::checkpoint_bytes(layout_),
                        around_.clock.steady_seconds() - pending_since_);
}

void Trainer::stop_at(int64_t step) {
  finish_checkpoint();
  if (saved_step_ != step) submit_checkpoint(step);
  finish_checkpoint();
  log_.stopped(step, around_.stop_reason());
}

TrainingSummary Trainer::finish(int64_t step) {
  finish_checkpoint();
  TrainingSummary summary;
  summary.finished = true;
  summary.step = step;
  summary.loss = last_loss_;
  const double begin = around_.clock.steady_seconds();
  const EvalResult result = evaluate(buffers_.step.model(), buffers_.state.w,
                                     data_.validation, 0, [&](double fraction) {
                                       log_.evaluating(fraction);
                                       return !around_.stop.load();
                                     });
  if (!result.stopped && result.tokens > 0) {
    log_.validated(step, result, around_.clock.steady_seconds() - begin);
    summary.val_loss = result.loss;
    summary.bits_per_byte = result.bits_per_byte;
  }
  if (around_.text_sampler != nullptr) {
    summary.sample = around_.text_sampler->write(
        buffers_.state.w, config_.run.sample_prompt, config_.run.sample_tokens);
    log_.sampled(step, config_.run.sample_prompt, summary.sample);
  }
  summary.seconds = log_.training_seconds();
  summary.checkpoint = checkpoint::checkpoint_folder(config_.run.dir, step);
  log_.finished(summary, checkpoint::hash_checkpoint(summary.checkpoint).hex());
  return summary;
}

// What of the saved run must be as this process has it.
void check_resumable(const config::Config& config, const TrainingData& data,
                     const Surroundings& around) {
  std::vector<checkpoint::SkippedCheckpoint> skipped;
  const auto found = checkpoint::newest_good_checkpoint(
      config.run.dir, checkpoint::Parts::kWeights, skipped);
  if (!found) return;
  const CheckpointInfo& info = found->info();
  const std::string ours = around.backend.numerics_version();
  if (info.numerics_version != ours) {
    throw user_error(
        "{}: the run was computed under numerics '{}' and this process "
        "computes "
        "under '{}', so its bits would change in the middle; go on with it on "
        "a "
        "processor of that kind",
        config.run.dir, info.numerics_version, ours);
  }
  const auto saved = info.extra.find("data_digest");
  if (saved != info.extra.end() && saved->second != data.digest) {
    throw user_error(
        "{}: the run was trained on other data than {} now holds (digest {} "
        "there, {} here); bring that data back, or start a new run",
        config.run.dir, config.data.path, saved->second, data.digest);
  }
}

}  // namespace

TrainingSummary train(const config::Config& config, const TrainingData& data,
                      const Surroundings& around, bool resume) {
  const std::string& dir = config.run.dir;
  around.fs.create_directories(dir);
  const checkpoint::RunLock lock(dir);
  if (resume) check_resumable(config, data, around);
  tensor::MemoryPlan plan = plan_memory(config, around.backend);
  if (around.text_sampler != nullptr) {
    plan.emplace_back("text samples", around.text_sampler->memory_bytes());
  }
  check_memory(plan, available_memory_bytes());
  checkpoint::check_free_disk(dir, model::ParameterList(config.model).layout(),
                              {config.run.keep_last, config.run.keep_every},
                              {config.run.checkpoint_every, config.run.steps},
                              free_bytes(dir));
  write_config(around.fs, config);

  RunLog log(config, around, plan);
  const OomTraces traces = read_oom_traces();
  log.note_abrupt_end(explain_abrupt_end(dir, traces));
  RunningMark mark(around.fs, dir, getpid(), traces);
  TrainingSummary summary;
  try {
    summary = Trainer(config, data, around, log).run(resume);
  } catch (...) {
    mark.remove();
    throw;
  }
  mark.remove();
  return summary;
}

}  // namespace colossus::runtime
