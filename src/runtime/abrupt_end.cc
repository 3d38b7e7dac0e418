#include "runtime/abrupt_end.h"

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"

namespace colossus::runtime {
namespace {

std::string mark_path(const std::string& run_folder) {
  return join_path(run_folder, "running.json");
}

// Small files of /proc and /sys; "" if this one cannot be read.
std::string read_kernel_text(const char* path) {
  const int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return "";
  std::string text;
  char buffer[8192];
  constexpr size_t kMost = 4 << 20;
  for (ssize_t n;
       text.size() < kMost && (n = read(fd, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return text;
}

int64_t counter_in(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  std::string key;
  int64_t value;
  while (lines >> key >> value) {
    if (key == name) return value;
  }
  return 0;
}

bool log_names_kill_of(const std::string& log, int64_t pid) {
  return log.find("Killed process " + std::to_string(pid) + " ") !=
         std::string::npos;
}

}  // namespace

OomTraces read_oom_traces() {
  OomTraces traces;
  traces.boot_id = read_kernel_text("/proc/sys/kernel/random/boot_id");
  while (traces.boot_id.ends_with('\n')) traces.boot_id.pop_back();
  // The machine's own count and the container's: whichever sees the kill.
  traces.num_kills =
      counter_in(read_kernel_text("/proc/vmstat"), "oom_kill") +
      counter_in(read_kernel_text("/sys/fs/cgroup/memory.events"), "oom_kill");
  traces.kernel_log = read_kernel_text("/dev/kmsg");
  return traces;
}

RunningMark::RunningMark(FileSystem& fs, const std::string& run_folder,
                         int64_t pid, const OomTraces& now)
    : fs_(fs), path_(mark_path(run_folder)) {
  const nlohmann::json mark = {
      {"pid", pid}, {"boot_id", now.boot_id}, {"oom_kills", now.num_kills}};
  write_file_atomically(fs_, path_, mark.dump() + "\n");
}

void RunningMark::remove() {
  if (path_exists(path_)) fs_.remove_file(path_);
}

std::string explain_abrupt_end(const std::string& run_folder,
                               const OomTraces& now) {
  const std::string path = mark_path(run_folder);
  if (!path_exists(path)) return "";
  const nlohmann::json mark =
      nlohmann::json::parse(read_file(path), nullptr, false);
  const auto number = [&](const char* key) -> int64_t {
    const auto at = mark.find(key);
    return at != mark.end() && at->is_number_integer() ? at->get<int64_t>() : 0;
  };
  const bool sound = mark.is_object() && mark.contains("boot_id") &&
                     mark["boot_id"].is_string();
  if (!sound) return "the process before ended without saving its state";
  const int64_t pid = number("pid");
  if (mark["boot_id"] != now.boot_id) {
    return fmt::format(
        "process {} ended with the machine, which has started anew since", pid);
  }
  if (log_names_kill_of(now.kernel_log, pid)) {
    return fmt::format(
        "process {} was ended by the kernel's out-of-memory killer; it needs a "
        "smaller model or batch, or fewer shards together",
        pid);
  }
  if (now.num_kills > number("oom_kills")) {
    return fmt::format(
        "process {} ended at once, and the kernel's out-of-memory killer has "
        "been at work since it started: probably its end; take a smaller model "
        "or batch, or fewer shards together",
        pid);
  }
  return fmt::format(
      "process {} ended at once (kill -9, a second Ctrl-C, a crash or a power "
      "cut)",
      pid);
}

}  // namespace colossus::runtime
