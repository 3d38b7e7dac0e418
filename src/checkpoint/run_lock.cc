#include "checkpoint/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "base/file_system.h"

namespace colossus::checkpoint {
namespace {

// The process id as the lock file tells it: digits, or nothing of use.
std::string holder_of(const std::string& path) {
  std::string text = read_file(path).substr(0, 20);
  text.resize(text.find_last_not_of('\n') + 1);
  const bool digits = !text.empty() &&
                      text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? "process " + text : "another process";
}

}  // namespace

RunLock::RunLock(const std::string& run_folder) {
  const std::string path = join_path(run_folder, "lock");
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) throw_file_error("open", path, errno);
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(fd_);
    if (error != EWOULDBLOCK) throw_file_error("lock", path, error);
    throw user_error(
        "the run '{}' is in use by {}; wait until it ends or stop it",
        run_folder, holder_of(path));
  }
  // The lock holds without the text; the text is for whoever meets it.
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd_, 0) != 0 || ::write(fd_, text.data(), text.size()) !=
                                      static_cast<ssize_t>(text.size())) {
    const int error = errno;
    ::close(fd_);
    throw_file_error("write", path, error);
  }
}

RunLock::~RunLock() { ::close(fd_); }

}  // namespace colossus::checkpoint
