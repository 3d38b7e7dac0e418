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
  // A process that maps `memory`, which is how a stranger's number is believed.
  // Throws RunError if it does not.
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

// Starts `program` (a path) with `arguments` behind its name. It inherits the
// descriptors `fds`, and of those not closed on exec: fds[i] becomes number
// kFirstInherited + i. Without fork, so any thread of any process may do it.
// The caller waits for the child. Throws RunError if it cannot start.
inline constexpr int kFirstInherited = 100;
pid_t start_process(const std::string& program,
                    const std::vector<std::string>& arguments,
                    const std::vector<int>& fds);

}  // namespace colossus::distributed
