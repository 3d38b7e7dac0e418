// The connections of one rank, under one view, with the participants on other
// machines. Each view has new ones.
//
// A connection that breaks, or on which nonsense comes, disturbs the view on
// this machine's board, so that all of its ranks let go (and its slot says who
// is out of reach); and all connections are closed, so that the ranks of other
// machines do. The same happens once the view is not in force here any more,
// also while the rank computes.
//
// Of the rank's main thread alone; the network's thread does the work.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "config/placement.h"
#include "distributed/frame.h"
#include "distributed/inbox.h"
#include "distributed/network.h"
#include "distributed/seat.h"

namespace colossus::distributed {

class Mesh {
 public:
  // Begins to connect; what is sent meanwhile waits. `members`: the remote
  // participants, one inbox for each. All outlives it. Throws RunError if a
  // member does not say where it listens.
  Mesh(Network& network, const Seat& seat, int64_t view,
       const std::vector<config::Member>& members,
       const std::vector<std::unique_ptr<Inbox>>& inboxes);
  // Closes all connections.
  ~Mesh();

  // To member `index`. `payload` must stay as it is until all_sent().
  void send(size_t index, const FrameHeader& header,
            std::span<const std::byte> payload);
  // The same of values, which are kept as long as need be.
  void send(size_t index, const FrameHeader& header,
            const std::shared_ptr<const std::vector<double>>& values);
  // Everything is with the kernel.
  bool all_sent() const;

  // Says goodbye, so that the ends of the connections disturb nobody, and
  // closes them; waits until it is said, for a second at most.
  void leave();

 private:
  class State;
  Network::State& network_;
  const std::shared_ptr<State> state_;
};

}  // namespace colossus::distributed
