// What a rank learns when the view it works under is over: an ordinary event,
// caught in one place, where the rank lets go and waits for the next view.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace colossus::distributed {

class PeerLost : public std::runtime_error {
 public:
  static constexpr int64_t kNobody = -1;

  // `rank`: who was waited for when the deadline passed; kNobody when the word
  // came from the agent, which knows more than this rank.
  PeerLost(const std::string& what, int64_t rank)
      : std::runtime_error(what), rank_(rank) {}

  int64_t rank() const { return rank_; }

 private:
  const int64_t rank_;
};

}  // namespace colossus::distributed
