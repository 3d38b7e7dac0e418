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
using coordinator::RunEnded;
using coordinator::SendOrders;
using coordinator::SetTimer;
using coordinator::ViewBegun;
using coordinator::WriteRecord;

void Simulator::coordinator_hears(const coordinator::Event& event) {
  if (core_ == nullptr) return;
  const std::vector<Action> actions = core_->handle(now_us_, event);
  perform(actions);
  if (core_ != nullptr) {
    invariants_.journal_matches(replayed_, core_->state());
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
  } else if (const auto* ended = std::get_if<RunEnded>(&decision)) {
    if (ended->failed && !had_bad_machine_) {
      throw Violation{"the run gave up: " + ended->reason};
    }
    const bool done = ended->step >= scenario_.options.total_steps;
    if (!ended->failed && !done && !stop_asked_) {
      throw Violation{"the run ended, though nobody asked it to"};
    }
  }
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
