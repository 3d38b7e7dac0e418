// A machine for tests: a board and windows, and a step whose every result is
// compared with the definition. Ranks are threads, or processes that run this
// test program anew (rank_process_test.cc).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "distributed/board.h"
#include "distributed/group.h"
#include "distributed/seat.h"
#include "distributed/windows.h"

namespace colossus::distributed {

inline constexpr int64_t kTestSliceCount = 48;
inline constexpr Hash128 kTestRun = {1, 2};

enum class Memory { kPrivate, kShared };

class TestMachine {
 public:
  TestMachine(Memory memory, int num_slots, int64_t num_shards);
  // In another process that has both descriptors.
  TestMachine(int board_fd, int windows_fd, int num_slots, int64_t num_shards);

  Board& board() { return board_; }
  const Windows& windows() const { return windows_; }
  const WindowsLayout& layout() const { return layout_; }

  // Posts a view whose members are `ranks`.
  config::View begin(int64_t number, const std::vector<int64_t>& ranks,
                     const config::Placement& placement);
  // body(seat) in a thread for each slot, rank r in slot r, once all sit.
  void run_threads(const std::function<void(Seat& seat)>& body);

 private:
  const WindowsLayout layout_;
  Board board_;
  Windows windows_;
};

// Every rank in [0, num_ranks) may get any shard and any backup.
config::Placement random_placement(uint64_t seed, int64_t num_shards,
                                   int num_ranks);
// Shards in turn to `ranks`, each backed up by the next one.
config::Placement even_placement(const std::vector<int64_t>& ranks,
                                 int64_t num_shards);

// A whole step with gradients drawn from `seed`. Throws std::logic_error with
// what is wrong if a bit is; returns what commit said.
int64_t checked_step(ProcessGroup& group, uint64_t seed, int64_t step);

// What this program does when it is started as the holder of an office
// (life_test.cc); its exit code.
int run_office_holder(const std::string& role);

// Looks until `holds`, for at most a minute.
inline bool eventually(const std::function<bool()>& holds) {
  for (int look = 0; look < 60'000; ++look) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return holds();
}

}  // namespace colossus::distributed
