#include "checkpoint/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <thread>

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

// 0, or why not. Whoever only asks (run_holder) is gone in a moment.
int lock_soon(int fd) {
  for (int tries = 0;; ++tries) {
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
    if (errno != EWOULDBLOCK || tries == 20) return errno;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

RunLock::RunLock(const std::string& run_folder) {
  const std::string path = join_path(run_folder, "lock");
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) throw_file_error("open", path, errno);
  const int error = lock_soon(fd_);
  if (error != 0) {
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

RunLock::~RunLock() {
  if (fd_ >= 0) ::close(fd_);
}

std::optional<pid_t> run_holder(const std::string& run_folder) {
  const std::string path = join_path(run_folder, "lock");
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  // Shared, so that two who ask at a time do not take each other for holders.
  const bool held = ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(fd);
  if (!held) return std::nullopt;
  const std::string text = read_file(path);
  const pid_t pid = static_cast<pid_t>(std::strtol(text.c_str(), nullptr, 10));
  // A number that the system has given to somebody else since is not believed.
  const std::string lock = "/proc/" + std::to_string(pid) + "/fd";
  if (pid <= 0 || !path_exists(lock)) return 0;
  for (const std::string& name : list_directory(lock)) {
    std::error_code error;
    if (std::filesystem::equivalent(join_path(lock, name), path, error)) {
      return pid;
    }
  }
  return 0;
}

}  // namespace colossus::checkpoint
