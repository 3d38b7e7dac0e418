#include "distributed/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/error.h"

namespace colossus::distributed {
namespace {

// Whether a thread, by its line in /proc, has left the program for good.
bool is_exiting(const std::string& stat) {
  // "PID (name) S ppid pgrp session tty tpgid flags ...": the name may hold
  // anything, so from the last bracket.
  const size_t bracket = stat.rfind(')');
  if (bracket == std::string::npos) return true;  // gone while we looked
  std::istringstream fields(stat.substr(bracket + 1));
  char state = 0;
  int64_t skipped = 0;
  uint64_t flags = 0;
  fields >> state;
  for (int i = 0; i < 5; ++i) fields >> skipped;
  fields >> flags;
  constexpr uint64_t kExiting = 0x4;  // the kernel's PF_EXITING
  return state == 'Z' || state == 'X' || (flags & kExiting) != 0;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

bool maps(pid_t pid, uint64_t inode) {
  std::ifstream file(fmt::format("/proc/{}/maps", pid));
  std::string line;
  while (std::getline(file, line)) {
    // "from-to rights offset device inode path"
    std::istringstream fields(line);
    std::string skipped, path;
    uint64_t found = 0;
    fields >> skipped >> skipped >> skipped >> skipped >> found >> path;
    if (found == inode && path.starts_with("/memfd:")) return true;
  }
  return false;
}

bool inherited(pid_t pid, uint64_t inode) {
  struct stat found = {};
  const std::string path = fmt::format("/proc/{}/fd/{}", pid, kFirstInherited);
  return ::stat(path.c_str(), &found) == 0 && found.st_ino == inode;
}

}  // namespace

Process::Process(pid_t pid)
    : pid_(pid), pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {
  if (pidfd_ >= 0) return;
  throw run_error("cannot watch process {}: {}", pid, std::strerror(errno));
}

Process Process::child(pid_t pid) {
  Process process(pid);
  siginfo_t info = {};
  // Looks only: a child that ended is left for who waits for it.
  if (::waitid(P_PID, static_cast<id_t>(pid), &info,
               WEXITED | WNOHANG | WNOWAIT) != 0) {
    throw run_error("process {} is no child of this one", pid);
  }
  return process;
}

Process Process::mapping(pid_t pid, const SharedMemory& memory) {
  // First held, then looked at, then seen to live still: so what was looked at
  // is what is held.
  Process process(pid);
  const bool found = !memory.is_private() && (maps(pid, memory.inode()) ||
                                              inherited(pid, memory.inode()));
  if (!found || process.ended()) {
    throw run_error("process {} is no rank of this machine's board", pid);
  }
  return process;
}

Process::~Process() {
  if (pidfd_ >= 0) ::close(pidfd_);
}

Process::Process(Process&& other) noexcept
    : pid_(other.pid_), pidfd_(std::exchange(other.pidfd_, -1)) {}

bool Process::ended() const {
  pollfd poll = {pidfd_, POLLIN, 0};
  return ::poll(&poll, 1, 0) == 1;
}

bool Process::quiet() const {
  if (ended()) return true;
  const std::string folder = fmt::format("/proc/{}/task", pid_);
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()),
                                                 ::closedir);
  if (open == nullptr) return ended();
  while (const dirent* entry = ::readdir(open.get())) {
    if (entry->d_name[0] == '.') continue;
    if (!is_exiting(first_line(folder + "/" + entry->d_name + "/stat"))) {
      return false;
    }
  }
  return true;
}

bool Process::wait_quiet(double seconds) const {
  const double deadline = real_clock().steady_seconds() + seconds;
  while (!quiet()) {
    if (real_clock().steady_seconds() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

pid_t start_process(const ProcessStart& start) {
  std::vector<std::string> words = {start.name.empty() ? start.program
                                                       : start.name};
  words.insert(words.end(), start.arguments.begin(), start.arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  if (!start.output_path.empty()) {
    ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&files, 1, start.output_path.c_str(),
                                       O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::posix_spawn_file_actions_adddup2(&files, 1, 2);
  }
  // By way of numbers above all targets, so that none overwrites another.
  std::vector<int> copies;
  for (size_t i = 0; i < start.fds.size(); ++i) {
    copies.push_back(
        ::fcntl(start.fds[i], F_DUPFD_CLOEXEC, kFirstInherited + 100));
    ::posix_spawn_file_actions_adddup2(&files, copies.back(),
                                       kFirstInherited + static_cast<int>(i));
  }
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  // The caller may catch or block signals; that is not for its child.
  sigset_t none, all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(
      &attributes,
      static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                         (start.own_session ? POSIX_SPAWN_SETSID : 0)));
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, start.program.c_str(), &files,
                                  &attributes, argv.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  for (const int copy : copies) ::close(copy);
  if (error != 0) {
    throw run_error("cannot start '{}': {}", start.program,
                    std::strerror(error));
  }
  return pid;
}

void Process::kill() const {
  ::syscall(SYS_pidfd_send_signal, pidfd_, SIGKILL, nullptr, 0);
}

}  // namespace colossus::distributed
