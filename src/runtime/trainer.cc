#include "runtime/trainer.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "checkpoint/checkpoint_reader.h"
#include "checkpoint/checkpoint_store.h"
#include "checkpoint/run_lock.h"
#include "config/model_counts.h"
#include "kernels/backend.h"
#include "model/parameters.h"
#include "runtime/abrupt_end.h"
#include "runtime/chief.h"
#include "runtime/machine_memory.h"
#include "runtime/memory_tally.h"
#include "runtime/run_coordinator.h"
#include "runtime/run_display.h"
#include "runtime/run_memory.h"
#include "runtime/run_recorder.h"
#include "runtime/run_view.h"
#include "runtime/solo_link.h"

namespace colossus::runtime {
namespace {

using tensor::Arena;

// The step to go on from: 0, or that of the newest sound checkpoint.
struct Start {
  int64_t step = 0;
  std::string reason = "new run";
};

Start find_start(const config::Config& config, bool resume,
                 RunRecorder& recorder, RunDisplay& display) {
  if (!resume) return {};
  std::vector<checkpoint::SkippedCheckpoint> skipped;
  const auto found = checkpoint::newest_good_checkpoint(
      config.run.dir, checkpoint::Parts::kWeightsAndOptimizer, skipped);
  for (const checkpoint::SkippedCheckpoint& s : skipped) {
    display.show(recorder.record(CheckpointDamaged{s.step, "", s.reason}));
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

void note_abrupt_end(const config::Config& config, RunRecorder& recorder,
                     RunDisplay& display) {
  const std::string explanation =
      explain_abrupt_end(config.run.dir, read_oom_traces());
  if (explanation.empty()) return;
  display.note("the run before: " + explanation);
  recorder.record(Remark{0, explanation});
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

void note_peak_memory(RunDisplay& display, const RunMemoryPlan& plan) {
  const auto planned = static_cast<double>(tensor::total_bytes(plan.machine));
  const uint64_t peak_bytes = peak_resident_bytes();
  display.note(fmt::format(
      "memory: {} at the peak, {:+.1f}% of the plan", human_bytes(peak_bytes),
      100 * (static_cast<double>(peak_bytes) - planned) / planned));
}

// This process is the run's only rank.
TrainingSummary run_alone(const config::Config& config,
                          const TrainingData& data, const Surroundings& around,
                          bool resume, const RunMemoryPlan& plan) {
  RunRecorder recorder(config, around.fs, around.clock);
  RunDisplay display(config, around.clock, around.out, around.progress);
  display.note(memory_plan_text(plan));
  note_abrupt_end(config, recorder, display);
  RunningMark mark(around.fs, config.run.dir, getpid(), read_oom_traces());
  TrainingSummary summary;
  try {
    const Start start = find_start(config, resume, recorder, display);
    display.show(recorder.record(start_event(config, data, around, start,
                                             recorder.starts_before() + 1)));
    summary.step = start.step;
    summary.checkpoint =
        checkpoint::checkpoint_folder(config.run.dir, start.step);
    SoloRun(config, around)
        .run(data, start.step, [&](const JournalEvent& event) {
          note_in(summary, config, event);
          display.show(recorder.record(event));
        });
  } catch (...) {
    mark.remove();
    throw;
  }
  mark.remove();
  summary.seconds = recorder.training_seconds();
  if (summary.finished) note_peak_memory(display, plan);
  return summary;
}

// What a coordinator finds in the journal, and goes on from.
void write_first_decisions(const RunProcesses& processes, int64_t start_step,
                           RunRecorder& recorder) {
  recorder.record(coordinator::SizeAsked{processes.ranks, processes.spares,
                                         "as the run was started"});
  if (start_step == 0) return;
  recorder.record(coordinator::CheckpointCommitted{
      0, start_step, "the run is resumed from it"});
}

// This process prepares the run, starts its coordinator (which starts all
// others), and only watches from then on.
TrainingSummary run_together(const config::Config& config,
                             const TrainingData& data,
                             const Surroundings& around, bool resume,
                             const RunMemoryPlan& plan,
                             std::optional<checkpoint::RunLock> lock) {
  RunDisplay display(config, around.clock, around.out, around.progress);
  display.note(memory_plan_text(plan));
  TrainingSummary summary;
  {
    RunRecorder recorder(config, around.fs, around.clock);
    note_abrupt_end(config, recorder, display);
    const Start start = find_start(config, resume, recorder, display);
    recorder.record(
        start_event(config, data, around, start, recorder.starts_before() + 1));
    write_first_decisions(*around.processes, start.step, recorder);
    summary.step = start.step;
    summary.checkpoint =
        checkpoint::checkpoint_folder(config.run.dir, start.step);
  }
  {
    const agent::MachineMemory memory =
        agent::MachineMemory::create(machine_layout(config));
    std::vector<int> fds = memory.fds();
    fds.push_back(lock->fd());
    around.processes->start_coordinator(fds);
  }
  lock.reset();  // the run's processes hold it from now on
  MemoryTally memory;
  watch_run(config, around, display, memory, summary);
  const std::string used = memory.text(plan);
  if (summary.finished && !used.empty()) display.note(used);
  return summary;
}

}  // namespace

TrainingSummary train(const config::Config& config, const TrainingData& data,
                      const Surroundings& around, bool resume) {
  const std::string& dir = config.run.dir;
  around.fs.create_directories(dir);
  std::optional<checkpoint::RunLock> lock(std::in_place, dir);
  if (resume) check_resumable(config, data, around);
  const int64_t ranks = around.processes ? around.processes->ranks : 1;
  const int64_t spares = around.processes ? around.processes->spares : 0;
  RunMemoryPlan plan = plan_memory(config, ranks, spares, around.backend);
  if (around.text_sampler != nullptr) {
    plan.add_to_first("text samples", around.text_sampler->memory_bytes());
  }
  check_memory(plan, available_memory_bytes());
  checkpoint::check_free_disk(dir, model::ParameterList(config.model).layout(),
                              {config.run.keep_last, config.run.keep_every},
                              {config.run.checkpoint_every, config.run.steps},
                              free_bytes(dir));
  write_config(around.fs, config);
  forget_coordinator(around.fs, dir);  // of an end without notice
  if (!around.processes) return run_alone(config, data, around, resume, plan);
  return run_together(config, data, around, resume, plan, std::move(lock));
}

}  // namespace colossus::runtime
