#include "runtime/chief.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "checkpoint/checkpoint_reader.h"
#include "checkpoint/compare.h"
#include "kernels/backend.h"
#include "runtime/run_memory.h"
#include "runtime/run_recorder.h"
#include "runtime/slice_check.h"

namespace colossus::runtime {
namespace {

bool is_due(const config::RunConfig& run, int64_t every, int64_t step) {
  return every > 0 && step % every == 0 && step != run.steps;
}

bool is_checkpoint_due(const config::RunConfig& run, int64_t step) {
  return is_due(run, run.checkpoint_every, step) || step == run.steps;
}

ExpertLoad by_layer(const std::vector<float>& load_LE, int64_t num_experts) {
  ExpertLoad load;
  for (size_t i = 0; i < load_LE.size(); ++i) {
    if (i % static_cast<size_t>(num_experts) == 0) load.emplace_back();
    load.back().push_back(double{load_LE[i]});
  }
  return load;
}

}  // namespace

bool is_duty_due(const config::RunConfig& run, int64_t step) {
  return is_due(run, run.val_every, step) ||
         is_due(run, run.sample_every, step) || is_checkpoint_due(run, step);
}

checkpoint::CheckpointInfo checkpoint_info(const config::Config& config,
                                           const TrainingData& data,
                                           const std::string& numerics_version,
                                           int64_t step) {
  return {.step = step,
          .numerics_version = numerics_version,
          .config_digest = config_digest(config),
          .extra = {{"data_digest", data.digest}}};
}

Chief::Chief(const config::Config& config, const TrainingData& data,
             const RankPlace& place, RankMemory& memory, RankLink& link)
    : config_(config),
      data_(data),
      place_(place),
      memory_(memory),
      link_(link),
      store_(place.fs, config.run.dir,
             {config.run.keep_last, config.run.keep_every}),
      writer_(store_, memory.step.parameters().layout(), memory.snapshot) {}

Chief::~Chief() = default;

const float* Chief::weights(int64_t step) const {
  return place_.store.owners(step).w;
}

void Chief::step_done(StepOutcome outcome) {
  outcome.metrics.expert_load =
      by_layer(outcome.expert_load_LE, config_.model.num_experts);
  outcome.metrics.at = place_.clock.wall_seconds();
  outcome.metrics.checkpoint_seconds = std::exchange(stood_seconds_, 0);
  link_.report(outcome.metrics);
  if (pending_step_ && !writer_.busy()) finish_checkpoint();
}

void Chief::after_step(int64_t step) {
  const config::RunConfig& run = config_.run;
  if (is_due(run, run.val_every, step)) validate(step);
  if (is_due(run, run.sample_every, step)) sample(step);
  if (is_checkpoint_due(run, step)) submit_checkpoint(step);
}

void Chief::validate(int64_t step) {
  const double begin = place_.clock.steady_seconds();
  const EvalResult result =
      evaluate(memory_.step.model(), weights(step), data_.validation,
               config_.run.val_sequences);
  if (result.tokens == 0) return;
  link_.report(Validation{step, result.loss, result.bits_per_byte,
                          place_.clock.steady_seconds() - begin});
}

void Chief::sample(int64_t step) {
  if (place_.text_sampler == nullptr) return;
  link_.report(TextSample{
      step, config_.run.sample_prompt,
      place_.text_sampler->write(weights(step), config_.run.sample_prompt,
                                 config_.run.sample_tokens)});
}

void Chief::submit_checkpoint(int64_t step) {
  const RankLink::Unwatched unwatched(link_);
  const double begin = place_.clock.steady_seconds();
  finish_checkpoint();
  // What flipped since it was stored must not become the state to restore from.
  for (int64_t slice = 0; slice < config_.run.num_shards; ++slice) {
    const auto copy = checkpoint::SliceCopy::kOwner;
    if (!place_.store.holds(copy, slice, step)) continue;  // another machine's
    require_sound(link_, place_.store, copy, slice, step,
                  place_.store.hash(copy, slice, step));
  }
  bring_moments(step);
  const checkpoint::SliceData state = place_.store.owners(step);
  const auto count = static_cast<size_t>(memory_.step.padded_count());
  writer_.submit(
      checkpoint_info(config_, data_, place_.backend.numerics_version(), step),
      {state.w, count}, {state.m, count}, {state.v, count});
  pending_step_ = step;
  pending_since_ = place_.clock.steady_seconds();
  stood_seconds_ += pending_since_ - begin;
}

// Of the slices that other machines own, of which only the weights are in the
// owners' flat vectors.
void Chief::bring_moments(int64_t step) {
  using checkpoint::SliceCopy;
  const checkpoint::SliceStore& store = place_.store;
  const auto bytes = static_cast<size_t>(store.slice_count()) * sizeof(float);
  for (int64_t slice = 0; slice < store.num_slices(); ++slice) {
    if (store.holds(SliceCopy::kOwner, slice, step)) continue;
    const checkpoint::SliceData to = store.data(SliceCopy::kOwner, slice, step);
    std::optional<Hash128> hash;
    if (store.holds(SliceCopy::kBackup, slice, step)) {
      const auto from = store.data(SliceCopy::kBackup, slice, step);
      std::memcpy(to.m, from.m, bytes);
      std::memcpy(to.v, from.v, bytes);
      hash = store.hash(SliceCopy::kBackup, slice, step);
    } else {
      hash = link_.fetch_slice(SliceCopy::kOwner, slice, step, to);
    }
    if (!hash) {
      throw run_error("no machine holds slice {} as of step {}", slice, step);
    }
    require_sound(link_, store, SliceCopy::kOwner, slice, step, *hash);
  }
}

void Chief::finish_checkpoint() {
  if (!pending_step_) return;
  const RankLink::Unwatched unwatched(link_);
  const int64_t step = *pending_step_;
  pending_step_.reset();
  writer_.wait();
  CheckpointSaved event;
  event.step = step;
  event.path = checkpoint::checkpoint_folder(config_.run.dir, step);
  event.size_bytes = static_cast<int64_t>(
      checkpoint::checkpoint_bytes(memory_.step.parameters().layout()));
  event.seconds = place_.clock.steady_seconds() - pending_since_;
  link_.report(event);
}

void Chief::save(int64_t step) {
  finish_checkpoint();
  const std::vector<int64_t> saved =
      checkpoint::list_checkpoints(config_.run.dir);
  if (std::find(saved.begin(), saved.end(), step) != saved.end()) return;
  submit_checkpoint(step);
  finish_checkpoint();
}

void Chief::finish() {
  const int64_t step = config_.run.steps;
  RunFinished event;
  event.step = step;
  const double begin = place_.clock.steady_seconds();
  const EvalResult result =
      evaluate(memory_.step.model(), weights(step), data_.validation, 0);
  if (result.tokens > 0) {
    link_.report(Validation{step, result.loss, result.bits_per_byte,
                            place_.clock.steady_seconds() - begin});
    event.val_loss = result.loss;
    event.bits_per_byte = result.bits_per_byte;
  }
  sample(step);
  save(step);
  event.checkpoint = checkpoint::checkpoint_folder(config_.run.dir, step);
  const RankLink::Unwatched unwatched(link_);
  event.hash = checkpoint::hash_checkpoint(event.checkpoint).hex();
  link_.report(memory_used(link_.rank()));
  link_.report(event);
}

void Chief::stop_at(int64_t step, const std::string& reason) {
  save(step);
  link_.report(memory_used(link_.rank()));
  link_.report(RunStopped{step, reason});
}

void Chief::fail_at(int64_t step, const std::string& message) {
  save(step);
  link_.report(RunFailed{step, message});
}

}  // namespace colossus::runtime
