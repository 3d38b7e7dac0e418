#include "runtime/run_display.h"

#include <fmt/core.h>

#include <utility>

#include "base/clock.h"
#include "base/strings.h"
#include "config/model_counts.h"

namespace colossus::runtime {

RunDisplay::RunDisplay(const config::Config& config, const Clock& clock,
                       std::ostream& out, const ProgressOptions& options)
    : config_(config),
      clock_(clock),
      flops_per_token_(
          config::training_flops_per_token(config.model, config.run.seq_len)),
      progress_(out, options) {}

void RunDisplay::show(const JournalEvent& event) {
  std::visit([this](const auto& e) { on(e); }, event);
}

void RunDisplay::on(const RunStarted& event) {
  peak_flops_per_second_ = event.peak_flops_per_second;
  note(fmt::format(
      "{}: {} parameters ({} active), {} tokens a step, numerics {}, {}",
      event.reason, with_thousands(event.num_parameters),
      with_thousands(event.num_active_parameters),
      with_thousands(event.tokens_per_step), event.numerics, event.machine));
  rate_.add(clock_.steady_seconds(), 0);
}

void RunDisplay::on(const StepMetrics& event) {
  const double now = clock_.steady_seconds();
  const auto tokens = static_cast<double>(config_.run.tokens_per_step());
  rate_.add(now, static_cast<double>(event.tokens));
  TrainProgress progress;
  progress.step = event.step;
  progress.steps = config_.run.steps;
  progress.loss = event.loss;
  progress.tokens_per_second =
      rate_.per_second() > 0 ? rate_.per_second() : event.tokens_per_second;
  progress.mfu =
      mfu(progress.tokens_per_second, flops_per_token_, peak_flops_per_second_);
  progress.seconds_left =
      seconds_left(static_cast<double>(config_.run.steps - event.step) * tokens,
                   progress.tokens_per_second);
  progress_.update(now, train_view(progress));
}

void RunDisplay::on(const Validation& event) {
  note(fmt::format("step {}: held-out loss {:.4f}, {:.4f} bits per byte",
                   event.step, event.val_loss, event.bits_per_byte));
}

void RunDisplay::on(const CheckpointDamaged& event) {
  note(fmt::format("checkpoint of step {} is damaged and not used: {}",
                   event.step, event.reason));
}

void RunDisplay::on(const Remark& event) { note(event.reason); }

void RunDisplay::on(const RunStopped& /*event*/) { progress_.finish(); }
void RunDisplay::on(const RunFailed& /*event*/) { progress_.finish(); }
void RunDisplay::on(const RunFinished& /*event*/) { progress_.finish(); }

void RunDisplay::on(const CoordinatorStarted& event) {
  if (std::exchange(has_coordinator_, true)) {
    note(
        fmt::format("the coordinator was replaced, by process {}; steps went "
                    "on",
                    event.pid));
  }
}

void RunDisplay::on(const AgentStarted& event) {
  if (!machines_.insert(event.machine).second) {
    note(
        fmt::format("the agent of machine {} was replaced, by process {}; "
                    "its ranks went on",
                    event.machine, event.pid));
  } else if (event.machine > 0) {
    note(fmt::format("machine {} joined: {}", event.machine, event.host));
  }
}

void RunDisplay::on(const RankEnded& event) { note(event.reason); }

void RunDisplay::on(const coordinator::MachineLost& event) {
  note(event.reason);
}

void RunDisplay::on(const coordinator::MachineLeaves& event) {
  note(event.reason);
}

void RunDisplay::on(const coordinator::MachineLeft& event) {
  note(event.reason);
}

void RunDisplay::on(const coordinator::ViewBegun& event) {
  note(fmt::format("view {} from step {}: {}", event.number, event.start_step,
                   event.reason));
}

void RunDisplay::on(const coordinator::DifferenceFound& event) {
  note(fmt::format("step {}: {}", event.step, event.reason));
}

void RunDisplay::on(const coordinator::StragglerFound& event) {
  note(event.reason);
}

}  // namespace colossus::runtime
