// Starts a rank as a process of its own, with the machine's memory in its
// hands.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace colossus::agent {

struct RankProcess {
  std::vector<std::string> arguments;  // behind the program: rank RUN ...
  std::vector<int> fds;     // become kFirstRankFd and the numbers after it
  std::string output_path;  // what it prints is added to this file
};

// This very program again, in a session of its own, so that a Ctrl-C in the
// terminal is for the run and not for its processes. Throws RunError.
pid_t start_rank_process(const RankProcess& rank);

}  // namespace colossus::agent
