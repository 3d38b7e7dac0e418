#include "simulate/simulator.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"

namespace colossus::simulate {
namespace {

constexpr int64_t kFaultsUntilUs = 4'000'000;
constexpr int64_t kProgressWithinUs = 6'000'000;

}  // namespace

Simulator::Simulator(const Scenario& scenario, bool trace)
    : scenario_(scenario),
      trace_(trace),
      random_(mix(scenario.seed, 0xfa017)),
      function_(scenario.seed, scenario.options.num_shards),
      invariants_(function_, scenario.options.num_shards) {
  result_.seed = scenario.seed;
  machines_.reserve(64);
}

void Simulator::note(const std::string& what) const {
  fmt::print("{:>9.3f} ms  {}\n", static_cast<double>(now_us_) / 1000, what);
}

void Simulator::start() {
  trace([&] { return describe(scenario_); });
  write_record(coordinator::SizeAsked{scenario_.ranks, scenario_.spares,
                                      "as the run was started"});
  coordinator_returns();
  for (int64_t m = 0; m < scenario_.num_machines; ++m) add_machine();
  deadline_us_ = kFaultsUntilUs;
  events_.push(scenario_.fault_every_us, EventKind::kFault);
}

HistoryResult Simulator::run() {
  try {
    start();
    while (stage_ != Stage::kOver && !events_.empty()) {
      const Occurrence next = events_.pop();
      now_us_ = next.time_us;
      handle(next);
      go_on_to_next_stage();
    }
    if (stage_ != Stage::kOver) throw Violation{"nothing happens any more"};
  } catch (const Violation& violation) {
    result_.failure = violation.what;
    trace([&] { return "VIOLATION: " + violation.what; });
  }
  result_.num_views = invariants_.newest_view();
  result_.num_steps = invariants_.committed_step();
  result_.simulated_us = now_us_;
  return result_;
}

void Simulator::go_on_to_next_stage() {
  if (replayed_.ended) {
    stage_ = Stage::kOver;
    return;
  }
  if (stage_ == Stage::kFaults) {
    const bool enough = result_.num_faults >= scenario_.num_faults &&
                        result_.num_messages >= scenario_.num_messages;
    if (!enough && now_us_ < deadline_us_) return;
    stage_ = Stage::kHealed;
    deadline_us_ = now_us_ + kProgressWithinUs;
    heal_core();
    return;
  }
  const bool commits = goal_commits_ <= 0 && !stop_asked_;
  if (commits && any_leaving() == nullptr) stage_ = Stage::kOver;
  if (now_us_ > deadline_us_) {
    trace([&] { return describe_coordinator(); });
    if (commits) {
      throw Violation{fmt::format("machine {} does not get away, though healed",
                                  any_leaving()->machine)};
    }
    throw Violation{stop_asked_ ? "the run does not stop, though healed"
                                : "no step commits, though healed"};
  }
}

void Simulator::handle(const Occurrence& o) {
  switch (o.kind) {
    case EventKind::kOrders:
      ++result_.num_messages;
      return agent_gets_orders(
          *machine(o.a),
          *static_cast<const coordinator::AgentOrders*>(o.payload.get()));
    case EventKind::kReport:
      ++result_.num_messages;
      return coordinator_hears(
          *static_cast<const coordinator::AgentReport*>(o.payload.get()));
    case EventKind::kWord:
      ++result_.num_messages;
      return hear_word(*rank(o.a), o.b,
                       std::static_pointer_cast<const PeerData>(o.payload));
    case EventKind::kTimer:
      if (o.a != coordinator_life_) return;
      return coordinator_hears(coordinator::TimerFired{});
    case EventKind::kRankReady:
      rank(o.a)->ready = true;
      return advance(*rank(o.a));
    case EventKind::kRankLook:
      return advance(*rank(o.a));
    case EventKind::kRankTask:
      return finish_task(*rank(o.a), o.b);
    case EventKind::kRankResend:
      return resend(*rank(o.a));
    case EventKind::kRankSaved:
      return saved(
          *rank(o.a),
          *static_cast<const std::vector<SavedSlice>*>(o.payload.get()), o.b,
          o.c);
    case EventKind::kRankGone:
      return agent_looks(*machine(o.b));
    case EventKind::kLinkTimesOut:
      return link_times_out(o.a, o.b);
    case EventKind::kPeerTimesOut:
      return peer_times_out(*rank(o.a), *rank(o.b), o.c);
    case EventKind::kConnectionEnds:
      return connection_ends(*rank(o.a), o.b, o.c);
    case EventKind::kAgentTick:
      return agent_ticks(*machine(o.a), o.b);
    case EventKind::kAgentLook:
      machine(o.a)->look_pending = false;
      return agent_looks(*machine(o.a));
    case EventKind::kAgentReturns:
      return agent_returns(*machine(o.a));
    case EventKind::kCoordinatorReturns:
      return coordinator_returns();
    case EventKind::kMachineJoins:
      add_machine();
      return;
    case EventKind::kFault:
      return next_fault();
  }
}

std::string Simulator::describe_coordinator() const {
  if (core_ == nullptr) return "no coordinator";
  const coordinator::RunState& state = core_->state();
  std::string text = fmt::format(
      "coordinator: version {}, number {}, {}, ranks", state.version,
      state.number, state.preparing ? "preparing" : "begun");
  for (const auto& r : state.ranks) {
    text += fmt::format(" {}@{}", r.rank, r.machine);
  }
  for (const auto& m : state.machines) {
    const FakeMachine& fake = machines_[static_cast<size_t>(m.machine)];
    text += fmt::format(
        "\n    machine {}: {}{}; {}, board: version {}, number {}{}", m.machine,
        m.present ? "present" : "lost", m.dropped ? ", dropped" : "",
        fake.alive ? "alive" : "dead", fake.board.version, fake.board.number,
        agent::has_let_go(fake.board) ? "" : ", holds on");
    for (const auto& slot : fake.board.slots) {
      text += fmt::format("; rank {}: let go {}, view {}{}{}", slot.rank,
                          slot.let_go, slot.view, slot.ready ? ", ready" : "",
                          slot.dying ? ", dying" : "");
    }
  }
  return text;
}

bool Simulator::is_cut(int64_t from_machine, int64_t to_machine) const {
  return std::any_of(cuts_.begin(), cuts_.end(), [&](const Cut& cut) {
    return cut.from == from_machine && cut.to == to_machine &&
           now_us_ < cut.until_us;
  });
}

bool Simulator::is_link_cut(int64_t one, int64_t two) const {
  return is_cut(one, two) || is_cut(two, one);
}

void Simulator::send(int64_t from_machine, int64_t to_machine, EventKind kind,
                     int64_t a, int64_t b,
                     std::shared_ptr<const void> payload) {
  if (from_machine == to_machine) {  // shared memory
    events_.push(now_us_ + random_.range(1, 20), kind, a, b, 0,
                 std::move(payload));
    return;
  }
  if (is_cut(from_machine, to_machine)) return;
  const bool storm = now_us_ < storm_until_us_;
  const int64_t worse = storm ? 200 : 0;
  if (random_.chance(scenario_.drop_permille + worse)) return;
  const int64_t copies =
      random_.chance(scenario_.repeat_permille + worse) ? 2 : 1;
  for (int64_t copy = 0; copy < copies; ++copy) {
    int64_t delay = random_.range(20, scenario_.delay_us);
    if (random_.chance(scenario_.late_permille + worse)) {
      delay += random_.range(1000, 80'000);
    }
    events_.push(now_us_ + delay, kind, a, b, 0, payload);
  }
}

FakeMachine* Simulator::machine(int64_t number) {
  for (FakeMachine& m : machines_) {
    if (m.machine == number) return &m;
  }
  return nullptr;
}

FakeRank* Simulator::rank(int64_t number) {
  const auto index = static_cast<size_t>(number);
  return index < ranks_.size() ? ranks_[index].get() : nullptr;
}

HistoryResult run_history(uint64_t seed, coordinator::Mutation mutation,
                          bool trace) {
  Scenario scenario = draw_scenario(seed);
  scenario.options.mutation = mutation;
  return Simulator(scenario, trace).run();
}

}  // namespace colossus::simulate
