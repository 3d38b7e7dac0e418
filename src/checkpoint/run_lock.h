// One process a run: a lock on runs/NAME/lock that the system lets go when its
// holder dies, however it dies.
#pragma once

#include <string>

namespace colossus::checkpoint {

class RunLock {
 public:
  // Throws UserError naming the process that holds it. The folder must exist.
  explicit RunLock(const std::string& run_folder);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  // A process that inherits it holds the lock, too.
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

}  // namespace colossus::checkpoint
