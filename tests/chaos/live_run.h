// `colossus train` as a program, watched through its journal and /proc alone.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/journal_event.h"

namespace colossus::tests {

// Many times as long as in the release build: runs are then shorter.
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
constexpr bool kStepsAreSlow = false;
#else
constexpr bool kStepsAreSlow = true;
#endif

// Runs a command of the program to its end; returns its exit code, or 128 and
// the signal that ended it. What it prints is added to `log`.
int run_command(const std::vector<std::string>& words, const std::string& log);

// The program as `words` call it, or, with `network`, inside that network
// namespace (ip-netns).
struct Call {
  std::vector<std::string> words;
  std::string network;
};

// A process that bears the run's folder in its command line.
struct RunProcess {
  pid_t pid = 0;
  std::string role;     // "rank", "agent", "coordinator", "train"
  int64_t rank = -1;    // of a rank
  bool joined = false;  // of a machine that joined the run
};

// What the journal told so far, counted.
struct Counts {
  int64_t events = 0, steps = 0, prepares = 0, views = 0, ranks_started = 0;
  int64_t views_of_machines = 0;  // whose ranks are on several
  int64_t machines_lost = 0, machines_left = 0, ranks_lost = 0;
};

// Kills whatever is left of the run at its end.
class LiveRun {
 public:
  // `folder` is the run's, and appears in no other process.
  LiveRun(const Call& call, const std::string& folder);
  ~LiveRun();
  LiveRun(const LiveRun&) = delete;
  LiveRun& operator=(const LiveRun&) = delete;

  // Starts one more process of the run; what it prints is added to `log`.
  pid_t add(const Call& call, const std::string& log);
  // One that was added, once it ended: as run_command.
  std::optional<int> code_of_added(pid_t pid);

  // Takes in what the journal gained.
  void look();
  const Counts& counts() const { return counts_; }
  // Its last event is there: finished, stopped or failed.
  bool is_over() const { return over_; }
  const std::string& hash() const { return hash_; }  // once it finished

  // By role and rank. A process that was killed and not waited for is none.
  std::vector<RunProcess> processes() const;
  // The process that was started, once it ended: as run_command.
  bool has_left(int& code);
  // The journal names it as an agent of the run, dead or alive.
  bool was_agent(pid_t pid) const { return agents_.contains(pid); }

  std::string log_path() const { return folder_ + ".log"; }

 private:
  void note(const runtime::JournalEvent& event);

  const std::string folder_;
  pid_t pid_ = 0;
  std::vector<pid_t> added_;
  std::set<pid_t> agents_;
  bool left_ = false;
  int code_ = 0;
  int64_t offset_ = 0;  // of the journal, up to which it was read
  Counts counts_;
  bool over_ = false;
  std::string hash_;
};

// Until it holds. False: the run is over, or gave no news for two minutes.
bool look_until(LiveRun& run, const std::function<bool()>& holds);
bool await_steps(LiveRun& run, int64_t count);
// Of one more view whose ranks are on several machines, some steps.
bool await_steps_of_both(LiveRun& run);

// By a handle, so that it meets this process or none. False: it is gone.
bool send_signal(const RunProcess& process, int signal);

}  // namespace colossus::tests
