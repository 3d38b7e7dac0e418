// Several machines for tests: a board and windows each, in memory of this
// process, and ranks that are threads with a network each.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "distributed/network.h"
#include "distributed/test_machine.h"

namespace colossus::distributed {

// Long times: a loaded machine must not look like a lost peer.
inline constexpr NetworkOptions patient_network() {
  return {.user_timeout_seconds = 60,
          .connect_seconds = 60,
          .patience_seconds = 60};
}

class TestCluster {
 public:
  // Rank r is on machine machine_R[r].
  TestCluster(const std::vector<int>& machine_R, int64_t num_shards);

  int num_ranks() const { return static_cast<int>(machine_R_.size()); }
  int machine_of(int64_t rank) const;
  TestMachine& machine(int number);
  TestMachine& machine_with(int64_t rank) { return machine(machine_of(rank)); }
  Network& network(int64_t rank) {
    return *networks_.at(static_cast<size_t>(rank));
  }

  // Posts a view whose members are `ranks` on every machine.
  config::View begin(int64_t number, const std::vector<int64_t>& ranks,
                     const config::Placement& placement);
  // Posted on one machine alone.
  void post(int machine, PostedKind kind, const config::View& view);
  // body(seat) in a thread for each rank, once all sit.
  void run_threads(const std::function<void(Seat& seat)>& body);

 private:
  const std::vector<int> machine_R_;
  std::vector<std::unique_ptr<TestMachine>> machines_;
  std::vector<std::unique_ptr<Network>> networks_;
};

}  // namespace colossus::distributed
