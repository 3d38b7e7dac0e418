// Many histories: how many failed, how fast they ran, what they were like.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/protocol_names.h"
#include "simulate/simulator.h"

namespace colossus::simulate {

struct ProverReport {
  int64_t num_histories = 0;
  int64_t num_gave_up = 0;  // at the limit of losses
  int64_t num_broken = 0;   // that had connections which broke
  std::vector<HistoryResult> failures;
  int64_t median_ranks = 0;
  int64_t median_messages = 0;
  int64_t median_faults = 0;
  int64_t median_views = 0;
  int64_t median_steps = 0;
};

// Seeds [first, last).
ProverReport prove(
    uint64_t first, uint64_t last,
    coordinator::Mutation mutation = coordinator::Mutation::kNone);

// The first failing seed of [first, last) with the bug planted; empty failure:
// none.
HistoryResult first_failure(uint64_t first, uint64_t last,
                            coordinator::Mutation mutation);

struct NamedMutation {
  coordinator::Mutation mutation;
  const char* name;
};
const std::vector<NamedMutation>& all_mutations();

// The program `prover`; returns its exit code.
int prover_main(const std::vector<std::string>& arguments);

}  // namespace colossus::simulate
