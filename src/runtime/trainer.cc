#include "runtime/trainer.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include "base/error.h"
#include "checkpoint/checkpoint_reader.h"
#include "checkpoint/checkpoint_store.h"
#include "checkpoint/run_lock.h"
#include "config/model_counts.h"
#include "kernels/backend.h"
#include "model/parameters.h"
#include "runtime/abrupt_end.h"
#include "runtime/chief.h"
#include "runtime/local_run.h"
#include "runtime/machine_memory.h"
#include "runtime/run_log.h"
#include "runtime/run_memory.h"
#include "runtime/solo_link.h"

namespace colossus::runtime {
namespace {

using tensor::Arena;

// The step to go on from: 0, or that of the newest sound checkpoint.
struct Start {
  int64_t step = 0;
  std::string reason = "new run";
};

Start find_start(const config::Config& config, bool resume, RunLog& log) {
  if (!resume) return {};
  std::vector<checkpoint::SkippedCheckpoint> skipped;
  const auto found = checkpoint::newest_good_checkpoint(
      config.run.dir, checkpoint::Parts::kWeightsAndOptimizer, skipped);
  for (const checkpoint::SkippedCheckpoint& s : skipped) {
    log.write(CheckpointDamaged{s.step, "", s.reason});
  }
  if (!found) return {0, "no checkpoint yet: from the start"};
  const int64_t step = found->info().step;
  return {step, fmt::format("resumed from the checkpoint of step {}", step)};
}

RunStarted start_event(const config::Config& config, const TrainingData& data,
                       const Surroundings& around, const Start& start,
                       int64_t view) {
  const config::ModelCounts counts = config::count_model(config.model);
  RunStarted event;
  event.step = start.step;
  event.view = view;
  event.resumed = start.step > 0;
  event.reason = start.reason;
  event.numerics = around.backend.numerics_version();
  event.config_digest =
      checkpoint_info(config, data, event.numerics, 0).config_digest;
  event.machine = around.machine;
  event.total_steps = config.run.steps;
  event.tokens_per_step = config.run.tokens_per_step();
  event.num_parameters = counts.total_parameters;
  event.num_active_parameters = counts.active_parameters;
  event.model_flops_per_token =
      config::training_flops_per_token(config.model, config.run.seq_len);
  event.peak_flops_per_second = around.peak_flops_per_second;
  return event;
}

// Everything a lone rank needs, in the order in which it is made.
class SoloRun {
 public:
  SoloRun(const config::Config& config, const Surroundings& around)
      : config_(config),
        around_(around),
        planned_(config, config.run.num_shards, true, around.backend, plan_,
                 room_plan_),
        arena_(plan_.high_water_bytes() + gradient_bytes()),
        room_(room_plan_.high_water_bytes(), Arena::Touch::kInUse) {}

  void run(const TrainingData& data, int64_t start_step,
           const std::function<void(const JournalEvent&)>& on_report) {
    RankMemory memory(config_, config_.run.num_shards, true, around_.backend,
                      arena_, room_);
    const int64_t count = memory.step.padded_count();
    const int64_t slice_count = count / config_.run.num_shards;
    const uint64_t store_bytes =
        checkpoint::SliceStore::bytes(config_.run.num_shards, slice_count);
    Arena store(store_bytes, Arena::Touch::kInUse);
    const RankPlace place{
        .fs = around_.fs,
        .clock = around_.clock,
        .backend = around_.backend,
        .store = checkpoint::SliceStore::create(
            {store.take<std::byte>(static_cast<int64_t>(store_bytes), "store"),
             store_bytes},
            config_.run.num_shards, slice_count),
        .text_sampler = around_.text_sampler,
        .num_threads = around_.num_threads};
    const std::span<float> gradient(arena_.take<float>(count, "gradients"),
                                    static_cast<size_t>(count));
    SoloLink link(config_.run.num_shards, gradient,
                  {.step = start_step, .of = config_.run.steps}, around_.stop,
                  around_.stop_reason, on_report);
    Rank(config_, data, place, memory, link).run();
  }

 private:
  uint64_t gradient_bytes() const {
    return static_cast<uint64_t>(planned_.step.padded_count()) * sizeof(float);
  }

  const config::Config& config_;
  const Surroundings& around_;
  Arena plan_, room_plan_;
  const RankMemory planned_;
  Arena arena_, room_;
};

// Fills the summary from what a run reports.
void note_in(TrainingSummary& summary, const config::Config& config,
             const JournalEvent& event) {
  if (const auto* e = std::get_if<StepMetrics>(&event)) summary.loss = e->loss;
  if (const auto* e = std::get_if<TextSample>(&event)) summary.sample = e->text;
  if (const auto* e = std::get_if<CheckpointSaved>(&event)) {
    summary.step = e->step;
    summary.checkpoint = e->path;
  }
  if (const auto* e = std::get_if<RunFinished>(&event)) {
    summary.finished = true;
    summary.step = e->step;
    summary.val_loss = e->val_loss;
    summary.bits_per_byte = e->bits_per_byte;
    summary.checkpoint = e->checkpoint;
  }
  if (const auto* e = std::get_if<RunStopped>(&event)) {
    summary.step = e->step;
    summary.checkpoint = checkpoint::checkpoint_folder(config.run.dir, e->step);
  }
}

// What of the saved run must be as this process has it.
void check_resumable(const config::Config& config, const TrainingData& data,
                     const Surroundings& around) {
  std::vector<checkpoint::SkippedCheckpoint> skipped;
  const auto found = checkpoint::newest_good_checkpoint(
      config.run.dir, checkpoint::Parts::kWeights, skipped);
  if (!found) return;
  const checkpoint::CheckpointInfo& info = found->info();
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

TrainingSummary run_alone(const config::Config& config,
                          const TrainingData& data, const Surroundings& around,
                          bool resume, RunLog& log) {
  const Start start = find_start(config, resume, log);
  log.write(start_event(config, data, around, start, log.views_before() + 1));
  TrainingSummary summary;
  summary.step = start.step;
  summary.checkpoint =
      checkpoint::checkpoint_folder(config.run.dir, start.step);
  SoloRun(config, around).run(data, start.step, [&](const JournalEvent& event) {
    note_in(summary, config, event);
    log.write(event);
  });
  summary.seconds = log.training_seconds();
  if (summary.finished) log.note_peak_memory(peak_resident_bytes());
  return summary;
}

LocalRunOptions local_options(const config::Config& config,
                              const Surroundings& around, int64_t start_step,
                              int lock_fd) {
  LocalRunOptions options;
  options.run_folder = config.run.dir;
  options.num_shards = config.run.num_shards;
  options.total_steps = config.run.steps;
  options.start_step = start_step;
  options.ranks = around.ranks;
  options.spares = around.spares;
  options.threads_per_rank =
      static_cast<int>(std::max<int64_t>(1, around.num_threads / around.ranks));
  options.shards_per_rank = first_shards_of_rank(config, around.ranks);
  options.target = around.target;
  options.lock_fd = lock_fd;
  return options;
}

// Tells `run` of the user's stop.
class StopWatch {
 public:
  StopWatch(LocalRun& run, const Surroundings& around)
      : thread_([this, &run, &around] { watch(run, around); }) {}
  ~StopWatch() {
    over_ = true;
    thread_.join();
  }
  StopWatch(const StopWatch&) = delete;
  StopWatch& operator=(const StopWatch&) = delete;

 private:
  void watch(LocalRun& run, const Surroundings& around) {
    while (!over_) {
      if (around.stop) {
        run.stop(around.stop_reason());
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  std::atomic<bool> over_{false};
  std::thread thread_;
};

TrainingSummary run_together(const config::Config& config,
                             const TrainingData& data,
                             const Surroundings& around, bool resume,
                             RunLog& log, const checkpoint::RunLock& lock) {
  const Start start = find_start(config, resume, log);
  log.write(start_event(config, data, around, start, log.views_before() + 1));
  TrainingSummary summary;
  summary.step = start.step;
  summary.checkpoint =
      checkpoint::checkpoint_folder(config.run.dir, start.step);
  LocalRun run(local_options(config, around, start.step, lock.fd()),
               machine_layout(config), around.clock,
               [&](const JournalEvent& event) {
                 note_in(summary, config, event);
                 log.write(event);
               });
  const StopWatch watch(run, around);
  run.run();
  summary.seconds = log.training_seconds();
  return summary;
}

}  // namespace

TrainingSummary train(const config::Config& config, const TrainingData& data,
                      const Surroundings& around, bool resume) {
  const std::string& dir = config.run.dir;
  around.fs.create_directories(dir);
  const checkpoint::RunLock lock(dir);
  if (resume) check_resumable(config, data, around);
  tensor::MemoryPlan plan = plan_memory(config, around.ranks, around.backend);
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
    const bool alone = around.ranks == 1 && around.spares == 0;
    summary = alone ? run_alone(config, data, around, resume, log)
                    : run_together(config, data, around, resume, log, lock);
  } catch (...) {
    mark.remove();
    throw;
  }
  mark.remove();
  return summary;
}

}  // namespace colossus::runtime
