// The coordinator's process: its clock, its journal, its deaths.
#include <fmt/core.h>

#include <algorithm>

#include "simulate/simulator.h"

namespace colossus::simulate {

using coordinator::Action;
using coordinator::CheckpointCommitted;
using coordinator::CoordinatorCore;
using coordinator::Decision;
using coordinator::MachineDropped;
using coordinator::MachineLeft;
using coordinator::RankLost;
using coordinator::RankReleased;
using coordinator::RunEnded;
using coordinator::SendOrders;
using coordinator::SetTimer;
using coordinator::ViewBegun;
using coordinator::WriteRecord;

void Simulator::coordinator_hears(const coordinator::Event& event) {
  if (core_ == nullptr) return;
  const bool hopeless = hopeless_;
  told_step_ = core_->committed_step();
  const std::vector<Action> actions = core_->handle(now_us_, event);
  perform(actions);
  if (core_ == nullptr) return;
  invariants_.journal_matches(replayed_, core_->state());
  if (hopeless && !replayed_.ended) {
    throw Violation{
        fmt::format("the run goes on after {} losses without a "
                    "step between",
                    losses_without_step())};
  }
}

void Simulator::perform(const std::vector<Action>& actions) {
  // It dies between two actions of an event that has some.
  size_t dies_before = actions.size() + 1;
  if (crashes_midway_ && actions.size() > 1) {
    crashes_midway_ = false;
    dies_before = static_cast<size_t>(
        random_.range(1, static_cast<int64_t>(actions.size()) - 1));
  }
  for (size_t i = 0; i < actions.size(); ++i) {
    if (i == dies_before) return coordinator_dies(random_.range(1000, 90'000));
    const Action& action = actions[i];
    if (const auto* record = std::get_if<WriteRecord>(&action)) {
      write_record(record->decision);
    } else if (const auto* send_orders = std::get_if<SendOrders>(&action)) {
      const auto& orders = send_orders->orders;
      send(kCoordinator, orders->machine, EventKind::kOrders, orders->machine,
           0, orders);
    } else if (const auto* timer = std::get_if<SetTimer>(&action)) {
      events_.push(timer->at_us, EventKind::kTimer, coordinator_life_);
    }
  }
}

void Simulator::write_record(const Decision& decision) {
  trace([&] {
    return std::visit(
        [](const auto& d) {
          return fmt::format("journal: {}: {}", d.kName, d.reason);
        },
        decision);
  });
  journal_.push_back(decision);
  coordinator::apply(replayed_, decision);
  check_record(decision);
}

void Simulator::check_record(const Decision& decision) {
  if (const auto* view = std::get_if<ViewBegun>(&decision)) {
    invariants_.view_begun(*view, replayed_, machines_);
    hopeless_ = hopeless_ && is_hopeless();
  } else if (const auto* dropped = std::get_if<MachineDropped>(&decision)) {
    const bool guilty = std::find(guilty_.begin(), guilty_.end(),
                                  dropped->machine) != guilty_.end();
    invariants_.machine_dropped(dropped->machine, guilty);
    // Somebody brings another one in its place.
    if (stage_ == Stage::kHealed) {
      events_.push(now_us_ + 10'000, EventKind::kMachineJoins);
    }
  } else if (const auto* saved = std::get_if<CheckpointCommitted>(&decision)) {
    check_checkpoint(*saved);
  } else if (const auto* left = std::get_if<MachineLeft>(&decision)) {
    invariants_.machine_left(left->machine, replayed_, machines_);
  } else if (const auto* released = std::get_if<RankReleased>(&decision)) {
    check_release(*released);
  } else if (const auto* lost = std::get_if<RankLost>(&decision)) {
    check_loss(*lost);
    hopeless_ = is_hopeless();
  } else if (const auto* ended = std::get_if<RunEnded>(&decision)) {
    if (ended->failed && !had_bad_machine_ && !hopeless_) {
      throw Violation{"the run gave up: " + ended->reason};
    }
    result_.gave_up = ended->failed && hopeless_;
    const bool done = ended->step >= scenario_.options.total_steps;
    if (!ended->failed && !done && !stop_asked_) {
      throw Violation{"the run ended, though nobody asked it to"};
    }
  }
}

// Nobody needs it.
void Simulator::check_release(const RankReleased& released) const {
  if (replayed_.begun == nullptr) return;
  if (replayed_.preparing ||
      config::takes_part(replayed_.begun->view.placement, released.rank)) {
    throw Violation{
        fmt::format("rank {} is released amid its work", released.rank)};
  }
}

// Who did nothing wrong is not given up, and the loss says how far the run was.
void Simulator::check_loss(const RankLost& lost) {
  if (!is_excused(lost)) {
    throw Violation{fmt::format("rank {} is given up without a fault: {}",
                                lost.rank, lost.reason)};
  }
  if (lost.step < told_step_) {
    throw Violation{
        fmt::format("rank {} is lost at step {}, but step {} was "
                    "heard of",
                    lost.rank, lost.step, told_step_)};
  }
}

bool Simulator::is_excused(const RankLost& lost) {
  const FakeRank* process = rank(lost.rank);
  if (process == nullptr || !process->alive) return true;
  if (process->hung_until > now_us_ || process->was_slow) return true;
  const bool guilty = std::find(guilty_.begin(), guilty_.end(),
                                process->machine) != guilty_.end();
  return guilty ||
         invariants_.lost_connection(invariants_.newest_view(), lost.rank);
}

// Back from the newest record, as long as it shows no step done.
int64_t Simulator::losses_without_step() const {
  int64_t losses = 0;
  int64_t reached = 0;
  for (auto record = journal_.rbegin(); record != journal_.rend(); ++record) {
    const auto* lost = std::get_if<RankLost>(&*record);
    const auto* view = std::get_if<ViewBegun>(&*record);
    if (lost == nullptr && view == nullptr) continue;
    const int64_t step = lost != nullptr ? lost->step : view->start_step;
    if (reached > step) break;
    reached = step;
    losses += lost != nullptr;
  }
  return losses;
}

bool Simulator::is_hopeless() const {
  const int64_t most = scenario_.options.most_losses_without_step;
  return most > 0 && losses_without_step() > most;
}

void Simulator::check_checkpoint(const CheckpointCommitted& checkpoint) {
  if (checkpoint.view != invariants_.newest_view()) {
    throw Violation{fmt::format("a checkpoint of view {} commits in view {}",
                                checkpoint.view, invariants_.newest_view())};
  }
  for (int64_t slice = 0; slice < scenario_.options.num_shards; ++slice) {
    const bool sound =
        std::any_of(disk_.begin(), disk_.end(), [&](const SavedSlice& s) {
          return s.view == checkpoint.view && s.step == checkpoint.step &&
                 s.slice == slice &&
                 s.content == function_.state(s.step, slice);
        });
    if (!sound) {
      throw Violation{
          fmt::format("the checkpoint of step {} lacks slice {} as view {} "
                      "wrote it",
                      checkpoint.step, slice, checkpoint.view)};
    }
  }
}

void Simulator::coordinator_dies(int64_t returns_after_us) {
  trace([&] { return std::string("the coordinator is killed"); });
  core_.reset();
  ++coordinator_life_;
  events_.push(now_us_ + returns_after_us, EventKind::kCoordinatorReturns,
               coordinator_life_);
}

void Simulator::coordinator_returns() {
  if (core_ != nullptr) return;
  core_ = std::make_unique<CoordinatorCore>(
      scenario_.options, coordinator::replay(journal_), now_us_);
  trace([&] {
    return fmt::format("the coordinator starts, {} records", journal_.size());
  });
  invariants_.journal_matches(replayed_, core_->state());
  coordinator_hears(coordinator::TimerFired{});
}

}  // namespace colossus::simulate
