#include "simulate/scenario.h"

#include <fmt/core.h>

#include <algorithm>

namespace colossus::simulate {
namespace {

// Deadlines far shorter than production's: a history is seconds long, and what
// production meets once a year has to happen here every few milliseconds.
void draw_options(RandomStream& random, Scenario& scenario) {
  auto& options = scenario.options;
  options.num_shards = int64_t{1} << random.range(1, 3);
  options.total_steps = random.chance(100) ? random.range(5, 15) : 1'000'000;
  options.silence_us = random.range(60, 250) * 1000;
  options.repeat_us = random.range(10, 40) * 1000;
  options.join_patience_us = random.range(1, 150) * 1000;
  options.copy_patience_us = random.range(1, 300) * 1000;
  options.straggler_percent = 200;
  options.straggler_steps = 4;
  options.replace_stragglers = random.chance(300);
  options.link_patience_us = random.range(10, 120) * 1000;
  if (random.chance(400)) options.most_losses_without_step = random.range(2, 8);
}

void draw_sizes(RandomStream& random, Scenario& scenario) {
  scenario.num_machines = random.range(1, 4);
  scenario.ranks = random.range(1, 4);
  scenario.spares = random.range(0, 2);
  while (scenario.ranks + scenario.spares < 3) ++scenario.spares;
}

void draw_network(RandomStream& random, Scenario& scenario) {
  scenario.delay_us = random.range(50, 1500);
  if (random.chance(600)) {
    scenario.drop_permille = random.range(0, 60);
    scenario.repeat_permille = random.range(0, 100);
    scenario.late_permille = random.range(0, 60);
  }
  scenario.report_us = random.range(15, 60) * 1000;
  scenario.hang_us = random.range(20, 80) * 1000;
  scenario.link_timeout_us = random.range(5, 60) * 1000;
}

void draw_faults(RandomStream& random, Scenario& scenario) {
  const bool violent = random.chance(400);
  scenario.fault_every_us =
      (violent ? random.range(5, 30) : random.range(20, 120)) * 1000;
  for (bool& enabled : scenario.enabled) enabled = random.chance(500);
  scenario.enabled[static_cast<size_t>(Fault::kKillRank)] = true;
  scenario.num_faults = random.range(3, violent ? 12 : 6);
  scenario.num_messages = random.range(100, 250);
  scenario.audit_permille = random.chance(500) ? 1000 : random.range(0, 300);
  scenario.stops = random.chance(50);
}

}  // namespace

const char* name_of(Fault fault) {
  static constexpr std::array<const char*, kNumFaults> kNames = {
      "kill rank",     "hang rank",    "kill holders",     "kill agent",
      "hang agent",    "lose machine", "kill coordinator", "crash coordinator",
      "cut link",      "storm",        "resize",           "slow rank",
      "flip gradient", "flip update",  "flip at rest",     "bad machine",
      "leave",         "two at once"};
  return kNames[static_cast<size_t>(fault)];
}

Scenario draw_scenario(uint64_t seed) {
  RandomStream random(seed);
  Scenario scenario;
  scenario.seed = seed;
  draw_sizes(random, scenario);
  draw_options(random, scenario);
  draw_network(random, scenario);
  scenario.compute_us = random.range(500, 3000);
  scenario.checkpoint_every = random.range(2, 10);
  draw_faults(random, scenario);
  return scenario;
}

std::string describe(const Scenario& s) {
  std::string faults;
  for (int f = 0; f < kNumFaults; ++f) {
    if (!s.enabled[static_cast<size_t>(f)]) continue;
    faults += faults.empty() ? "" : ", ";
    faults += name_of(static_cast<Fault>(f));
  }
  return fmt::format(
      "seed {}: {} machines, {} ranks + {} spares, {} shards, audit {}%, a "
      "fault every {} ms of: {}; {} losses without a step at most",
      s.seed, s.num_machines, s.ranks, s.spares, s.options.num_shards,
      s.audit_permille / 10, s.fault_every_us / 1000, faults,
      s.options.most_losses_without_step == 0
          ? "any number of"
          : std::to_string(s.options.most_losses_without_step));
}

}  // namespace colossus::simulate
