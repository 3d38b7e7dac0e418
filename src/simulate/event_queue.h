// What happens when, under the fake clock: by time, then in the order of
// asking.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace colossus::simulate {

enum class EventKind {
  kOrders,          // arrive at machine a's agent
  kReport,          // arrives at the coordinator, from machine a
  kWord,            // of rank b arrives at rank a
  kTimer,           // of the coordinator; a: its life
  kRankReady,       // rank a has started
  kRankLook,        // rank a looks at its board
  kRankTask,        // rank a finishes its task; b: generation
  kRankResend,      // rank a says its word again
  kRankSaved,       // rank a wrote its slices of step b, in view c
  kRankGone,        // rank a's death shows to machine b's agent
  kLinkTimesOut,    // between machines a and b, if it is still cut
  kPeerTimesOut,    // rank a's link to rank b in view c, likewise
  kConnectionEnds,  // rank a hears that it has none to rank b in view c
  kAgentTick,       // machine a, incarnation b
  kAgentLook,       // machine a
  kAgentReturns,    // machine a
  kCoordinatorReturns,
  kMachineJoins,  // a new one
  kFault,
};

struct Occurrence {
  int64_t time_us = 0;
  uint64_t order = 0;
  EventKind kind = EventKind::kFault;
  int64_t a = 0;
  int64_t b = 0;
  int64_t c = 0;
  std::shared_ptr<const void> payload;
};

class EventQueue {
 public:
  void push(int64_t time_us, EventKind kind, int64_t a = 0, int64_t b = 0,
            int64_t c = 0, std::shared_ptr<const void> payload = nullptr) {
    heap_.push_back(
        {time_us, next_order_++, kind, a, b, c, std::move(payload)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  bool empty() const { return heap_.empty(); }
  Occurrence pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Occurrence next = std::move(heap_.back());
    heap_.pop_back();
    return next;
  }

 private:
  static bool later(const Occurrence& x, const Occurrence& y) {
    if (x.time_us != y.time_us) return x.time_us > y.time_us;
    return x.order > y.order;
  }

  std::vector<Occurrence> heap_;
  uint64_t next_order_ = 0;
};

}  // namespace colossus::simulate
