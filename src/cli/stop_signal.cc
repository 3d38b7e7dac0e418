#include "cli/stop_signal.h"

#include <signal.h>
#include <unistd.h>

#include <array>

#include "base/error.h"
#include "cli/cli.h"

namespace colossus::cli {
namespace {

constexpr std::array<int, 3> kSignals = {SIGINT, SIGTERM, SIGHUP};

// A handler has no argument of ours: what it touches must be global.
std::atomic<bool> installed = false;
std::atomic<bool> stop_requested = false;
std::atomic<int> first_signal = 0;
std::atomic<int> patience_left = 0;
std::atomic<bool> was_urged = false;
std::array<struct sigaction, kSignals.size()> previous_actions;

static_assert(std::atomic<bool>::is_always_lock_free &&
              std::atomic<int>::is_always_lock_free);

void on_signal(int signal) {
  int none = 0;
  const bool first = first_signal.compare_exchange_strong(none, signal);
  if (!first && signal == SIGINT) {
    if (patience_left.fetch_sub(1) <= 0) _exit(kExitStopped);
    was_urged.store(true);
  }
  stop_requested.store(true);
}

}  // namespace

StopSignal::StopSignal(int patience) {
  COLOSSUS_CHECK(!installed.exchange(true), "a StopSignal exists already");
  stop_requested.store(false);
  first_signal.store(0);
  patience_left.store(patience);
  was_urged.store(false);
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &action, &previous_actions[i]);
  }
}

StopSignal::~StopSignal() {
  for (size_t i = 0; i < kSignals.size(); ++i) {
    sigaction(kSignals[i], &previous_actions[i], nullptr);
  }
  installed.store(false);
}

const std::atomic<bool>& StopSignal::requested() const {
  return stop_requested;
}

bool StopSignal::urged() const { return was_urged; }

const char* StopSignal::reason() const {
  switch (first_signal.load()) {
    case SIGINT:
      return "Ctrl-C";
    case SIGTERM:
      return "SIGTERM";
    case SIGHUP:
      return "SIGHUP";
    default:
      return "";
  }
}

}  // namespace colossus::cli
