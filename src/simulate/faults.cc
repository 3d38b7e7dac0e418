// What goes wrong, by the seed; and how a part of the cluster is healed.
#include <fmt/core.h>

#include <algorithm>

#include "simulate/simulator.h"

namespace colossus::simulate {

void Simulator::next_fault() {
  if (stage_ != Stage::kFaults) return;
  const int64_t mean = scenario_.fault_every_us;
  events_.push(now_us_ + random_.range(mean / 4, mean * 7 / 4),
               EventKind::kFault);
  for (;;) {
    const auto fault = static_cast<Fault>(random_.range(0, kNumFaults - 1));
    if (!scenario_.enabled[static_cast<size_t>(fault)]) continue;
    ++result_.num_faults;
    return inflict(fault);
  }
}

void Simulator::inflict(Fault fault) {
  trace([&] { return fmt::format("FAULT: {}", name_of(fault)); });
  switch (fault) {
    case Fault::kKillRank:
    case Fault::kHangRank:
    case Fault::kSlowRank:
    case Fault::kKillHolders:
      return inflict_on_ranks(fault);
    case Fault::kKillAgent:
    case Fault::kHangAgent:
    case Fault::kLoseMachine:
    case Fault::kBadMachine:
    case Fault::kLeave:
      return inflict_on_machines(fault);
    case Fault::kKillCoordinator:
    case Fault::kCrashCoordinator:
    case Fault::kResize:
      return inflict_on_coordinator(fault);
    case Fault::kFlipGradient:
    case Fault::kFlipUpdate:
    case Fault::kFlipAtRest:
      return inflict_flip(fault);
    case Fault::kCutLink:
      return cut_link();
    case Fault::kStorm:
      storm_until_us_ = now_us_ + random_.range(5'000, 150'000);
      return;
    case Fault::kTwoAtOnce:
      for (int i = 0; i < 2; ++i) {
        const auto one = static_cast<Fault>(
            random_.range(0, static_cast<int64_t>(Fault::kStorm)));
        inflict(one);
      }
      return;
    case Fault::kNumFaults:
      return;
  }
}

FakeRank* Simulator::any_rank() {
  std::vector<FakeRank*> living;
  for (const auto& r : ranks_) {
    if (r != nullptr && r->alive) living.push_back(r.get());
  }
  if (living.empty()) return nullptr;
  // The first of them has no privilege.
  if (random_.chance(200)) return living.front();
  return living[static_cast<size_t>(random_.range(0, std::ssize(living) - 1))];
}

FakeMachine* Simulator::any_machine() {
  std::vector<FakeMachine*> living;
  for (FakeMachine& m : machines_) {
    if (m.alive) living.push_back(&m);
  }
  if (living.empty()) return nullptr;
  return living[static_cast<size_t>(random_.range(0, std::ssize(living) - 1))];
}

int64_t Simulator::num_alive_machines() const {
  return std::count_if(machines_.begin(), machines_.end(),
                       [](const FakeMachine& m) { return m.alive; });
}

void Simulator::hang_rank(FakeRank& rank, int64_t until_us) {
  if (rank.hung_until <= now_us_) rank.hung_since = now_us_;
  rank.hung_until = std::max(rank.hung_until, until_us);
  trace([&] { return fmt::format("rank {} hangs", rank.rank); });
  events_.push(rank.hung_until + 1, EventKind::kRankLook, rank.rank);
}

void Simulator::inflict_on_ranks(Fault fault) {
  if (fault == Fault::kKillHolders) return kill_holders();
  FakeRank* victim = any_rank();
  if (victim == nullptr) return;
  switch (fault) {
    case Fault::kKillRank:
      return kill_rank(*victim, random_.range(200, 5000));
    case Fault::kHangRank:
      victim->hangs_in_store = random_.chance(500);
      if (victim->hangs_in_store) return;
      return hang_rank(*victim, random_.chance(300)
                                    ? kForEver
                                    : now_us_ + random_.range(5'000, 250'000));
    default:
      victim->slowness = random_.range(2, 8);
      victim->was_slow = true;
      return;
  }
}

// The owner and the backup of one slice, of the newest view.
void Simulator::kill_holders() {
  if (replayed_.begun == nullptr) return;
  const auto& placement = replayed_.begun->view.placement;
  const auto slice =
      static_cast<size_t>(random_.range(0, scenario_.options.num_shards - 1));
  for (const int64_t number :
       {placement.owner_S[slice], placement.backup_S[slice]}) {
    FakeRank* holder = number < 0 ? nullptr : rank(number);
    if (holder == nullptr || !holder->alive) continue;
    FakeMachine* host = machine(holder->machine);
    // With their memory, now and then: the last good copies.
    if (random_.chance(300) && num_alive_machines() > 1) {
      lose_machine(*host);
    } else {
      kill_rank(*holder, random_.range(200, 5000));
    }
  }
}

void Simulator::lose_machine(FakeMachine& lost) {
  trace([&] { return fmt::format("machine {} is lost", lost.machine); });
  lost.alive = false;
  lost.agent_alive = false;
  for (const auto& r : ranks_) {
    if (r == nullptr || r->machine != lost.machine) continue;
    r->alive = false;
    close_connections(*r, scenario_.link_timeout_us);
  }
}

void Simulator::inflict_on_machines(Fault fault) {
  FakeMachine* victim = any_machine();
  if (victim == nullptr) return;
  switch (fault) {
    case Fault::kKillAgent:
      if (!victim->agent_alive) return;
      victim->agent_alive = false;
      trace([&] { return fmt::format("agent {} dies", victim->machine); });
      events_.push(
          now_us_ + (random_.chance(500) ? random_.range(500, 10'000)
                                         : random_.range(10'000, 300'000)),
          EventKind::kAgentReturns, victim->machine);
      return;
    case Fault::kHangAgent:
      victim->agent_hung_until = now_us_ + random_.range(5'000, 300'000);
      return;
    case Fault::kBadMachine:
      if (num_alive_machines() > 1 && !had_bad_machine_ &&
          scenario_.audit_permille == 1000) {
        victim->bad = had_bad_machine_ = true;
        guilty_.push_back(victim->machine);
        trace(
            [&] { return fmt::format("machine {} is bad", victim->machine); });
      }
      return;
    case Fault::kLeave:
      if (num_alive_machines() == 1) return;
      trace([&] {
        return fmt::format("machine {} is to leave", victim->machine);
      });
      victim->leaves = true;
      wake_agent(*victim);
      if (random_.chance(500)) {
        events_.push(now_us_ + random_.range(10'000, 200'000),
                     EventKind::kMachineJoins);
      }
      return;
    default:
      if (num_alive_machines() == 1 && random_.chance(700)) return;
      lose_machine(*victim);
      events_.push(now_us_ + random_.range(10'000, 200'000),
                   EventKind::kMachineJoins);
      return;
  }
}

void Simulator::inflict_on_coordinator(Fault fault) {
  switch (fault) {
    case Fault::kKillCoordinator:
      if (core_ != nullptr) coordinator_dies(random_.range(1'000, 300'000));
      return;
    case Fault::kCrashCoordinator:
      crashes_midway_ = true;
      return;
    default:
      return coordinator_hears(coordinator::ResizeRequest{
          random_.range(1, 5), random_.range(0, 2), "as the user asked"});
  }
}

void Simulator::cut_link() {
  const FakeMachine* one = any_machine();
  if (one == nullptr) return;
  const FakeMachine* two = any_machine();
  const int64_t other =
      random_.chance(400) || two == one ? kCoordinator : two->machine;
  const int64_t until = now_us_ + random_.range(5'000, 400'000);
  cuts_.push_back({one->machine, other, until});
  if (random_.chance(700)) cuts_.push_back({other, one->machine, until});
  events_.push(now_us_ + scenario_.link_timeout_us, EventKind::kLinkTimesOut,
               one->machine, other);
  trace([&] {
    return fmt::format("link of machine {} and {} is cut", one->machine, other);
  });
}

void Simulator::inflict_flip(Fault fault) {
  if (fault == Fault::kFlipAtRest) return flip_at_rest();
  FakeRank* victim = any_rank();
  if (victim == nullptr) return;
  if (fault == Fault::kFlipUpdate) {
    // Once a history: of two in a row, nobody can tell which were by chance.
    scenario_.enabled[static_cast<size_t>(fault)] = false;
    victim->flips_update = true;
  } else if (scenario_.audit_permille == 1000) {
    victim->flips_gradient = true;
  }
}

// In a copy of the newest state that has a twin by which it will be found.
void Simulator::flip_at_rest() {
  FakeMachine* host = any_machine();
  if (host == nullptr || host->board.begun == nullptr) return;
  const auto& placement = host->board.begun->view.placement;
  if (placement.backup_S[0] == config::kNoBackup) return;
  const int64_t slice = random_.range(0, scenario_.options.num_shards - 1);
  const Role role = random_.chance(500) ? kOwner : kBackup;
  Buffer* newest = nullptr;
  for (Buffer& buffer :
       host->store_S[static_cast<size_t>(slice)].buffers[role]) {
    if (!buffer.complete) continue;
    if (newest == nullptr || buffer.step > newest->step) newest = &buffer;
  }
  if (newest == nullptr) return;
  newest->content ^= random_.bits() | 1;
  guilty_.push_back(host->machine);
  trace([&] {
    return fmt::format("slice {} of step {} flips on machine {}", slice,
                       newest->step, host->machine);
  });
}

bool Simulator::can_host(const FakeMachine& host) const {
  const auto* known = replayed_.machine(host.machine);
  if (!host.alive || host.leaves) return false;
  return known == nullptr || (!known->dropped && !known->leaves);
}

// Of those that are asked to.
const FakeMachine* Simulator::any_leaving() const {
  for (const FakeMachine& m : machines_) {
    const auto* known = replayed_.machine(m.machine);
    const bool leaves = m.leaves || (known != nullptr && known->leaves);
    if (m.alive && leaves) return &m;
  }
  return nullptr;
}

// Some machines are dead for good; at least one of those that stay can host.
void Simulator::bury_machines() {
  const auto counts = [this](const FakeMachine& m) {
    return can_host(m) && !m.bad;
  };
  int64_t hosts = std::count_if(machines_.begin(), machines_.end(), counts);
  if (hosts == 0) {
    add_machine();
    hosts = 1;
  }
  for (FakeMachine& m : machines_) {
    if (!m.alive) continue;
    const bool spared = counts(m) && hosts == 1;
    if (!m.bad && (spared || !random_.chance(250))) continue;
    hosts -= counts(m);
    lose_machine(m);
  }
}

// A core that can go on is healed for good; whatever else failed stays failed.
void Simulator::heal_core() {
  trace([&] { return std::string("HEALED, as far as it goes"); });
  cuts_.clear();
  storm_until_us_ = 0;
  scenario_.drop_permille = scenario_.late_permille = 0;
  crashes_midway_ = false;
  bury_machines();
  for (FakeMachine& m : machines_) {
    if (!m.alive) continue;
    m.agent_hung_until = std::min(m.agent_hung_until, now_us_);
    if (m.agent_alive) continue;
    events_.push(now_us_ + random_.range(0, 50'000), EventKind::kAgentReturns,
                 m.machine);
  }
  for (const auto& r : ranks_) {
    if (r == nullptr || !r->alive) continue;
    r->slowness = 1;
    r->flips_gradient = r->flips_update = r->hangs_in_store = false;
    if (r->hung_until > now_us_ && random_.chance(500)) {
      r->hung_until = kForEver;
    }
  }
  if (core_ == nullptr) coordinator_returns();
  goal_commits_ = 3;
  if (!scenario_.stops) return;
  stop_asked_ = true;
  coordinator_hears(coordinator::StopRequest{"as the user asked"});
}

}  // namespace colossus::simulate
