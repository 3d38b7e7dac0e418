#include "runtime/run_view.h"

#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "checkpoint/checkpoint_reader.h"
#include "checkpoint/run_lock.h"
#include "runtime/journal.h"
#include "runtime/memory_tally.h"
#include "runtime/run_display.h"

namespace colossus::runtime {
namespace {

constexpr double kLookSeconds = 0.05;
constexpr double kAskAgainSeconds = 0.5;
// Processes may replace each other; with none for so long the run is dead.
constexpr double kDeadSeconds = 3;

class Watch {
 public:
  Watch(const config::Config& config, const Surroundings& around,
        RunDisplay& display, MemoryTally& memory, TrainingSummary& summary)
      : config_(config),
        around_(around),
        processes_(*around.processes),
        display_(display),
        memory_(memory),
        summary_(summary),
        follower_(config.run.dir) {}

  void run() {
    for (;;) {
      read_journal();
      if (ended_ && !lives()) break;
      if (!ended_) check_alive();
      if (around_.stop) {
        if (processes_.detaches()) {
          summary_.detached = true;
          return;
        }
        pass_stop_on();
      }
      std::this_thread::sleep_for(std::chrono::duration<double>(kLookSeconds));
    }
    read_journal();
    if (ended_->failed) {
      throw RunError(failure_.empty() ? ended_->reason : failure_);
    }
  }

 private:
  // Of what is there at the start, only what belongs to this start.
  void read_journal() {
    std::vector<JournalEvent> events;
    follower_.read_new([&](JournalRecord record) {
      if (std::holds_alternative<RunStarted>(record.event)) events.clear();
      events.push_back(std::move(record.event));
    });
    for (const JournalEvent& event : events) {
      note_in(summary_, config_, event);
      display_.show(event);
      note_memory(event);
      if (const auto* e = std::get_if<StepMetrics>(&event)) {
        summary_.seconds += e->seconds;
      }
      if (const auto* e = std::get_if<RunFailed>(&event)) failure_ = e->reason;
      if (const auto* e = std::get_if<coordinator::RunEnded>(&event)) {
        ended_ = *e;
      }
    }
  }

  void note_memory(const JournalEvent& event) {
    if (const auto* e = std::get_if<RankStarted>(&event)) memory_.add(*e);
    if (const auto* e = std::get_if<MemoryUsed>(&event)) memory_.add(*e);
    if (const auto* e = std::get_if<coordinator::RankLost>(&event)) {
      memory_.forget(e->rank);
    }
  }

  // Whether any process of the run does.
  bool lives() const {
    return checkpoint::run_holder(config_.run.dir).has_value();
  }

  void check_alive() {
    const double now = around_.clock.steady_seconds();
    if (lives()) alive_seconds_ = now;
    if (alive_seconds_ < 0) alive_seconds_ = now;
    if (now - alive_seconds_ < kDeadSeconds) return;
    throw run_error(
        "all processes of the run are gone; go on with it by: colossus train "
        "--resume {}",
        config_.run.dir);
  }

  void pass_stop_on() {
    const bool at_once = processes_.stops_at_once();
    if (ended_ || (stop_kept_ && (!at_once || end_kept_))) return;
    const double now = around_.clock.steady_seconds();
    if (failed_seconds_ >= 0 && now - failed_seconds_ < kAskAgainSeconds)
      return;
    try {
      processes_.ask_stop(at_once);
      stop_kept_ = true;
      end_kept_ = at_once;
    } catch (const std::exception&) {
      failed_seconds_ = now;  // nobody coordinates at the moment: asked again
    }
  }

  const config::Config& config_;
  const Surroundings& around_;
  const RunProcesses& processes_;
  RunDisplay& display_;
  MemoryTally& memory_;
  TrainingSummary& summary_;
  JournalFollower follower_;
  std::optional<coordinator::RunEnded> ended_;
  std::string failure_;
  double alive_seconds_ = -1, failed_seconds_ = -1;
  // The wish to stop, or to end at once, is in the journal.
  bool stop_kept_ = false, end_kept_ = false;
};

}  // namespace

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

void watch_run(const config::Config& config, const Surroundings& around,
               RunDisplay& display, MemoryTally& memory,
               TrainingSummary& summary) {
  Watch(config, around, display, memory, summary).run();
}

}  // namespace colossus::runtime
