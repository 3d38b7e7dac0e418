// The user's wish to stop: Ctrl-C (SIGINT), SIGTERM, SIGHUP. The first one sets
// a flag that the work looks at between steps; a Ctrl-C behind it ends the
// process at once, with exit code 130.
#pragma once

#include <atomic>

namespace colossus::cli {

// Catches the signals while it lives; the process has at most one.
class StopSignal {
 public:
  // `patience`: so many more Ctrl-C are only counted before that.
  explicit StopSignal(int patience = 0);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  // Set by the first signal; may be read from any thread.
  const std::atomic<bool>& requested() const;
  // Whether a Ctrl-C came after the first signal.
  bool urged() const;
  // "Ctrl-C", "SIGTERM", "SIGHUP"; "" before any.
  const char* reason() const;
};

}  // namespace colossus::cli
