// A hold on another process: its number cannot come to mean another one, and it
// can be ended for good. Linux: pidfd and /proc.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "distributed/shared_memory.h"

namespace colossus::distributed {

class Process {
 public:
  // A child that nobody has waited for yet. Throws RunError if there is none.
  static Process child(pid_t pid);
  // A process that maps `memory`, or inherited it and did not come to that yet:
  // how a stranger's number is believed. Throws RunError if it does neither.
  static Process mapping(pid_t pid, const SharedMemory& memory);

  ~Process();
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_; }  // readable once `ended`

  // Dead, and its memory freed: 65 ms later a gigabyte of it.
  bool ended() const;
  // None of its threads will run another instruction of the program: true as
  // soon as each of them is on its way out of the kernel. What it wrote to
  // shared memory stays as it is from now on.
  bool quiet() const;
  // Returns quiet(), at the latest after `seconds`.
  bool wait_quiet(double seconds) const;
  // SIGKILL; nothing if it is dead. Stopped processes die of it too.
  void kill() const;

 private:
  explicit Process(pid_t pid);

  pid_t pid_;
  int pidfd_;
};

struct ProcessStart {
  std::string program;                 // a path
  std::string name;                    // as ps shows it; empty: the path
  std::vector<std::string> arguments;  // behind its name
  // Descriptors that it inherits beside those not closed on exec: fds[i]
  // becomes number kFirstInherited + i.
  std::vector<int> fds;
  // What it prints is added to this file, and it reads nothing; empty: it has
  // the caller's input and output.
  std::string output_path;
  // Out of reach of the terminal's signals: a Ctrl-C there is not for it.
  bool own_session = false;
};
inline constexpr int kFirstInherited = 100;

// Without fork, so any thread of any process may do it. The caller waits for
// the child. Throws RunError if it cannot start.
pid_t start_process(const ProcessStart& start);

}  // namespace colossus::distributed
