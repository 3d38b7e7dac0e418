// nccl-tests' output as it would be printed on a machine whose links are known,
// for tests.
#pragma once

#include <fmt/format.h>

#include <string>

namespace colossus::planner {

// "# Rank ..." lines of `hosts` with `ranks_per_host` ranks each.
inline std::string nccl_ranks(int hosts, int ranks_per_host,
                              const std::string& device) {
  std::string text = "# Using devices\n";
  for (int rank = 0; rank < hosts * ranks_per_host; ++rank) {
    text += fmt::format(
        "#  Rank {:2} Group  0 Pid {:6} on node-{:03} device {:2} [0x1b] {}\n",
        rank, 1000 + rank, rank / ranks_per_host, rank % ranks_per_host,
        device);
  }
  return text;
}

inline std::string nccl_header() {
  return "#\n"
         "#                                                              "
         "out-of-place                       in-place          \n"
         "#       size         count      type   redop    root     time   "
         "algbw "
         "  busbw #wrong     time   algbw   busbw #wrong\n"
         "#        (B)    (elements)                               (us)  "
         "(GB/s) "
         " (GB/s)            (us)  (GB/s)  (GB/s)       \n";
}

// One row; `bus` is busbw over algbw.
inline std::string nccl_row(double bytes, double seconds, double bus,
                            const char* redop) {
  const double algorithm = bytes / seconds / 1e9;
  return fmt::format(
      "{:12.0f}  {:12.0f}     float  {:>6}      -1  {:7.2f}  {:6.2f}  {:6.2f}  "
      "    0  {:7.2f}  {:6.2f}  {:6.2f}      0\n",
      bytes, bytes / 4, redop, seconds * 1e6, algorithm, algorithm * bus,
      seconds * 1e6, algorithm, algorithm * bus);
}

inline std::string nccl_footer() {
  return "# Out of bounds values : 0 OK\n# Avg bus bandwidth    : 123.4 \n#\n";
}

}  // namespace colossus::planner
