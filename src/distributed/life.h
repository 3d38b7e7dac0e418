// The two offices of a machine, its agent and (of a local run) its coordinator:
// who holds each is a process that beats on the board, and whoever shares the
// board starts another when that process is dead or stands still.
//
// A robust mutex on the board, which the system lets go with its holder, keeps
// two from holding one office, however many are started.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>

#include "distributed/board.h"

namespace colossus::distributed {

enum class Office { kAgent = 0, kCoordinator = 1 };

// An office, held, by the main thread. `board` outlives it.
class OfficeHolder {
 public:
  // nullopt: another process holds it, and did so for `patience_seconds`; or
  // it was closed.
  static std::optional<OfficeHolder> take(Board& board, Office office,
                                          double patience_seconds = 1);
  // The office is open to a successor, unless it was closed.
  ~OfficeHolder();
  OfficeHolder(OfficeHolder&& other) noexcept;
  OfficeHolder& operator=(OfficeHolder&&) = delete;

  // A sign of life; in every turn of the holder's loop.
  void beat() const;
  // While it is at a disk, which may stall, no beats are expected.
  void set_away(bool away) const;
  // Nobody shall follow: the run is over.
  void close() const;

 private:
  OfficeHolder(Board& board, Office office) : board_(&board), office_(office) {}

  Board* board_;  // null: moved from
  Office office_;
};

// Whether the office's last holder closed it.
bool is_closed(const Board& board, Office office);

struct KeeperOptions {
  // So long beats may stand still before the holder is killed. Time in which
  // the keeper itself was kept from looking does not count.
  double hang_seconds = 1;
  double away_seconds = 30;  // the same, for a holder that is at a disk
  // So long after a death is waited for another keeper to act.
  double patience_seconds = 0;
  // From one start to the next, should it fail.
  double retry_seconds = 1;
  double look_seconds = 0.02;
};

// Sees to it that the office is held: a thread of its own. `start` starts a
// process that takes the office; the keeper waits for its end.
class OfficeKeeper {
 public:
  OfficeKeeper(const Board& board, Office office, const KeeperOptions& options,
               std::function<pid_t()> start);
  ~OfficeKeeper();
  OfficeKeeper(const OfficeKeeper&) = delete;
  OfficeKeeper& operator=(const OfficeKeeper&) = delete;

 private:
  void watch();
  bool holder_lives();
  bool stands_still(double seconds);
  void kill_holder();

  const Board& board_;
  const Office office_;
  const KeeperOptions options_;
  const std::function<pid_t()> start_;
  // Of the thread alone.
  pid_t pid_ = 0;       // the holder that is watched
  pid_t stranger_ = 0;  // a dead holder's number, now another process's
  uint64_t beats_ = 0;
  double still_seconds_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace colossus::distributed
