// What test_cluster.h declares.
#include <algorithm>
#include <latch>
#include <stdexcept>
#include <thread>

#include "distributed/test_cluster.h"

namespace colossus::distributed {

TestCluster::TestCluster(const std::vector<int>& machine_R, int64_t num_shards)
    : machine_R_(machine_R) {
  const int machines =
      1 + *std::max_element(machine_R.begin(), machine_R.end());
  for (int machine = 0; machine < machines; ++machine) {
    machines_.push_back(std::make_unique<TestMachine>(Memory::kPrivate,
                                                      num_ranks(), num_shards));
  }
  for (int64_t rank = 0; rank < num_ranks(); ++rank) {
    networks_.push_back(
        std::make_unique<Network>(kTestRun, rank, patient_network()));
  }
}

int TestCluster::machine_of(int64_t rank) const {
  return machine_R_.at(static_cast<size_t>(rank));
}

TestMachine& TestCluster::machine(int number) {
  return *machines_.at(static_cast<size_t>(number));
}

config::View TestCluster::begin(int64_t number,
                                const std::vector<int64_t>& ranks,
                                const config::Placement& placement) {
  config::View view;
  view.number = number;
  for (const int64_t rank : ranks) {
    view.members.push_back({rank, machine_of(rank), network(rank).endpoint()});
  }
  view.placement = placement;
  for (size_t machine = 0; machine < machines_.size(); ++machine) {
    post(static_cast<int>(machine), PostedKind::kBegin, view);
  }
  return view;
}

void TestCluster::post(int number, PostedKind kind, const config::View& view) {
  if (machine(number).board().post({kind, view, 0})) return;
  throw std::logic_error("cannot post");
}

void TestCluster::run_threads(const std::function<void(Seat& seat)>& body) {
  std::latch seated(num_ranks());
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < num_ranks(); ++rank) {
    threads.emplace_back([&, rank] {
      Seat seat(machine_with(rank).board(), rank, rank);
      seated.arrive_and_wait();
      body(seat);
    });
  }
}

}  // namespace colossus::distributed
