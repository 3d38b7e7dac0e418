// Why the run before ended without a word, as far as this machine can tell: the
// kernel's out-of-memory killer leaves traces, other deaths do not.
#pragma once

#include <cstdint>
#include <string>

#include "base/file_system.h"

namespace colossus::runtime {

// What the kernel says of out-of-memory kills: a counter since boot, and the
// boot it belongs to. Passed in, so that tests can make it up.
struct OomTraces {
  std::string boot_id;
  int64_t num_kills = 0;
  // The kernel's log since boot, where this user may read it; else empty.
  std::string kernel_log;
};
OomTraces read_oom_traces();

// Kept in runs/NAME/running.json while a process trains.
class RunningMark {
 public:
  // Writes the mark of this process.
  RunningMark(FileSystem& fs, const std::string& run_folder, int64_t pid,
              const OomTraces& now);
  // Removes it: the end was in order.
  void remove();

 private:
  FileSystem& fs_;
  std::string path_;
};

// A sentence about a mark that an earlier process left behind; "" if there is
// none, so that the end before was in order or there was no run.
std::string explain_abrupt_end(const std::string& run_folder,
                               const OomTraces& now);

}  // namespace colossus::runtime
