#include "runtime/machine_memory.h"

#include <fstream>
#include <string>

namespace colossus::runtime {
namespace {

// "Name:   1234 kB" lines.
uint64_t kilobytes_in(const char* path, const std::string& name) {
  std::ifstream lines(path);
  std::string line;
  while (std::getline(lines, line)) {
    if (!line.starts_with(name + ":")) continue;
    return std::stoull(line.substr(name.size() + 1)) * 1024;
  }
  return 0;
}

}  // namespace

uint64_t available_memory_bytes() {
  return kilobytes_in("/proc/meminfo", "MemAvailable");
}
uint64_t resident_bytes() { return kilobytes_in("/proc/self/status", "VmRSS"); }
uint64_t peak_resident_bytes() {
  return kilobytes_in("/proc/self/status", "VmHWM");
}

SharedBytes shared_bytes() {
  return {kilobytes_in("/proc/self/status", "RssShmem"),
          kilobytes_in("/proc/self/smaps_rollup", "Pss_Shmem")};
}

}  // namespace colossus::runtime
