// The sockets of one rank: it listens for the ranks of other machines, and a
// thread moves the bytes, so that connections are watched while kernels run.
//
// The thread belongs to the rank and not to the agent: the kernel then tells of
// a rank's death by closing its connections, and an agent that is gone hinders
// no exchange. Connections for the steps of a view are a Mesh (mesh.h), one at
// a time. Apart from that, any rank of the run may ask for a slice of the state
// that this machine holds.
//
// What arrives is bounded and checked (frame.h); what makes no sense ends its
// connection, nothing else.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/hash.h"
#include "config/placement.h"

namespace colossus::distributed {

struct NetworkOptions {
  std::string address = "127.0.0.1";  // of this machine, for the others
  // How long the kernel may wait for a peer's acknowledgement.
  double user_timeout_seconds = 0.3;
  double connect_seconds = 2;
  // How often the thread looks whether its view is still in force, and how
  // often it says something to peers.
  double look_seconds = 0.02;
  double beat_seconds = 0.1;
  // For a stranger to say what it wants; for a slice to move on.
  double patience_seconds = 5;
};

// A slice of the run's state, as of `step`. `copy`: 0 the owner's, 1 the
// backup's.
struct SliceRequest {
  int64_t view = 0;  // of who asks
  int64_t copy = 0, slice = 0, step = 0;
};

// Weights and moments: w, m, v.
using SliceParts = std::array<std::span<const float>, 3>;
using SliceRoom = std::array<std::span<float>, 3>;

// A slice, and the hash that it was stored with.
struct StoredSlice {
  SliceParts parts;
  Hash128 hash;
};

// nullopt unless this machine holds it; called in the thread of the network,
// and again when all was sent: a slice that is not there any more then does
// not count. The memory lives as long as the network. Of numbers out of bounds
// it must make nullopt too.
using SliceSource =
    std::function<std::optional<StoredSlice>(const SliceRequest&)>;

class Network {
 public:
  // Listens on a port of the system's choice. Throws RunError if it cannot.
  Network(const Hash128& run, int64_t rank, const NetworkOptions& options = {});
  // No mesh of it may be left.
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  int64_t rank() const;
  config::Endpoint endpoint() const;
  // From now on slices are given to who asks, unless its view is older than
  // the newest that this rank was in.
  void serve(SliceSource source);

  enum class Fetched {
    kWhole,     // the room is filled
    kNotThere,  // they do not hold it
    kFailed,    // no answer: its rank is out of reach, or would not say
  };
  // Asks the rank at `from`; what a failed fetch leaves in `room` is undefined.
  // `hash`: what the slice was stored with there, for the caller to compare
  // with what arrived. Looks at keep_on() some fifty times a second, and gives
  // up if it is false. Any thread.
  Fetched fetch(const config::Endpoint& from, const SliceRequest& request,
                const SliceRoom& room, Hash128& hash,
                const std::function<bool()>& keep_on) const;

  // For this folder.
  class State;
  State& state() const { return *state_; }

 private:
  const std::unique_ptr<State> state_;
};

}  // namespace colossus::distributed
