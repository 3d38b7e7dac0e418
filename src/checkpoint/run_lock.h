// One process a run: a lock on runs/NAME/lock that the system lets go when its
// holder dies, however it dies.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>

namespace colossus::checkpoint {

class RunLock {
 public:
  // Throws UserError naming the process that holds it. The folder must exist.
  explicit RunLock(const std::string& run_folder);
  ~RunLock();
  RunLock(RunLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  RunLock& operator=(RunLock&&) = delete;

  // A process that inherits it holds the lock, too.
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

// Who works on a run: the process that took its lock, if that still lives; 0 if
// others hold the lock on; nullopt: nobody. The folder need not exist.
std::optional<pid_t> run_holder(const std::string& run_folder);

}  // namespace colossus::checkpoint
