// Agents' processes around the rules of coordinator/agent_rules.h.
#include "agent/agent_rules.h"

#include <fmt/core.h>

#include <algorithm>

#include "simulate/simulator.h"

namespace colossus::simulate {

using agent::AgentAction;
using coordinator::AgentOrders;
using coordinator::AgentReport;
using coordinator::RankSlot;

FakeMachine& Simulator::add_machine() {
  FakeMachine& added = machines_.emplace_back();
  added.machine = std::ssize(machines_) - 1;
  added.store_S.resize(static_cast<size_t>(scenario_.options.num_shards));
  trace([&] { return fmt::format("machine {} starts", added.machine); });
  events_.push(now_us_ + random_.range(0, 5000), EventKind::kAgentTick,
               added.machine, added.incarnation);
  return added;
}

bool Simulator::agent_runs(const FakeMachine& machine) const {
  return machine.alive && machine.agent_alive &&
         machine.agent_hung_until <= now_us_;
}

void Simulator::agent_gets_orders(FakeMachine& machine,
                                  const AgentOrders& orders) {
  if (!agent_runs(machine)) return;
  if (orders.left) return leave(machine);
  const int64_t before = machine.board.version;
  perform(machine, agent::obey_orders(orders, machine.board, mutation()));
  if (machine.board.version == before) return;
  trace([&] {
    return fmt::format("agent {} obeys orders {}: number {}, {}",
                       machine.machine, orders.version, orders.number,
                       orders.begun == nullptr ? "prepare" : "begin");
  });
  board_changed(machine);
}

void Simulator::leave(FakeMachine& machine) {
  trace([&] { return fmt::format("machine {} leaves", machine.machine); });
  for (const auto& r : ranks_) {
    if (r == nullptr || !r->alive || r->machine != machine.machine) continue;
    throw Violation{fmt::format("machine {} leaves, though rank {} is at work",
                                machine.machine, r->rank)};
  }
  machine.alive = machine.agent_alive = false;
}

void Simulator::perform(FakeMachine& machine,
                        const std::vector<AgentAction>& actions) {
  for (const AgentAction& action : actions) {
    if (action.kind == AgentAction::Kind::kStart) {
      start_rank(machine, action.rank);
    } else if (FakeRank* victim = rank(action.rank)) {
      // Memory is freed before the death shows.
      kill_rank(*victim, random_.range(100, 10'000));
    }
  }
}

// Ranks look at the board between the tiles of their kernels.
void Simulator::board_changed(FakeMachine& machine) {
  for (const auto& r : ranks_) {
    if (r == nullptr || !r->alive || r->machine != machine.machine) continue;
    if (r->ready) {
      events_.push(now_us_ + random_.range(10, 1500), EventKind::kRankLook,
                   r->rank);
    }
  }
  wake_agent(machine);
}

void Simulator::wake_agent(FakeMachine& machine) {
  if (machine.look_pending) return;
  machine.look_pending = true;
  events_.push(now_us_ + random_.range(10, 300), EventKind::kAgentLook,
               machine.machine);
}

// Deaths and hangs; then a report if there is news.
void Simulator::agent_looks(FakeMachine& machine) {
  if (!agent_runs(machine)) return;
  std::vector<int64_t> gone;
  std::vector<int64_t> hung;
  for (const RankSlot& slot : machine.board.slots) {
    const FakeRank* process = rank(slot.rank);
    if (process == nullptr || !process->alive) {
      gone.push_back(slot.rank);
    } else if (!slot.dying && process->hung_until > now_us_ &&
               now_us_ - process->hung_since >= scenario_.hang_us) {
      hung.push_back(slot.rank);
    }
  }
  for (const int64_t r : gone) agent::rank_gone(r, machine.board);
  for (const int64_t r : hung) {
    trace([&] {
      return fmt::format("agent {} fences rank {}, which hangs",
                         machine.machine, r);
    });
    perform(machine, agent::rank_hung(r, machine.board, mutation()));
  }
  if (!gone.empty() || !hung.empty()) board_changed(machine);
  uint64_t news =
      mix(static_cast<uint64_t>(machine.board.version),
          static_cast<uint64_t>(agent::has_let_go(machine.board, mutation())) +
              (machine.leaves ? 2u : 0u));
  for (const RankSlot& slot : machine.board.slots) {
    news = mix(news, static_cast<uint64_t>(slot.rank));
    news = mix(news, (slot.ready ? 1u : 0u) + (slot.dying ? 2u : 0u) +
                         (slot.difference.has_value() ? 4u : 0u) +
                         (slot.recomputed.has_value() ? 8u : 0u));
    news = mix(news, static_cast<uint64_t>(slot.saved_step + 1));
    news = mix(news, static_cast<uint64_t>(slot.unreachable + 1));
  }
  if (news == machine.reported) return;
  machine.reported = news;
  agent_reports(machine);
}

void Simulator::agent_ticks(FakeMachine& machine, int64_t incarnation) {
  if (!machine.alive || !machine.agent_alive) return;
  if (machine.incarnation != incarnation) return;
  const bool runs = agent_runs(machine);
  events_.push(runs ? now_us_ + scenario_.report_us : machine.agent_hung_until,
               EventKind::kAgentTick, machine.machine, incarnation);
  if (!runs) return;
  agent_looks(machine);
  agent_reports(machine);
}

void Simulator::agent_returns(FakeMachine& machine) {
  if (!machine.alive || machine.agent_alive) return;
  machine.agent_alive = true;
  machine.agent_hung_until = 0;
  machine.leaves = false;
  ++machine.incarnation;
  machine.sequence = 0;
  trace([&] { return fmt::format("agent {} is back", machine.machine); });
  // Those that its predecessor was ending.
  for (const RankSlot& slot : machine.board.slots) {
    FakeRank* process = rank(slot.rank);
    if (slot.dying && process != nullptr && process->alive) {
      kill_rank(*process, random_.range(100, 10'000));
    }
  }
  agent_ticks(machine, machine.incarnation);
}

void Simulator::add_copies(FakeMachine& machine, AgentReport& report) const {
  for (size_t s = 0; s < machine.store_S.size(); ++s) {
    for (const auto& role : machine.store_S[s].buffers) {
      for (const Buffer& buffer : role) {
        if (!buffer.complete) continue;
        const bool sound = !machine.board.verify || buffer.sound();
        report.copies.push_back({static_cast<int64_t>(s), buffer.step,
                                 buffer.view, Hash128{0, buffer.hash}, sound});
      }
    }
  }
}

void Simulator::agent_reports(FakeMachine& machine) {
  auto report = std::make_shared<AgentReport>(
      agent::report_of(machine.machine, machine.board, mutation()));
  report->incarnation = machine.incarnation;
  report->sequence = ++machine.sequence;
  report->leaves = machine.leaves;
  if (report->answered && machine.board.begun == nullptr) {
    machine.answered_number =
        std::max(machine.answered_number, machine.board.number);
    add_copies(machine, *report);
  }
  send(machine.machine, kCoordinator, EventKind::kReport, machine.machine, 0,
       std::move(report));
}

}  // namespace colossus::simulate
