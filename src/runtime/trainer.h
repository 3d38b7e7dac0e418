// A whole run: alone in this process, or as ranks that are processes of their
// own on this machine.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "config/config.h"
#include "runtime/progress.h"
#include "runtime/rank.h"

namespace colossus::runtime {

// A run whose ranks are processes, and so are its agent and its coordinator.
struct RunProcesses {
  int64_t ranks = 1;
  int64_t spares = 0;
  // Starts the run's coordinator, which inherits the descriptors: those of the
  // machine's memory, then the run's lock.
  std::function<void(const std::vector<int>& fds)> start_coordinator;
  // Asks the coordinator for a stop; throws if it does not answer.
  std::function<void(bool at_once)> ask_stop;
  std::function<bool()> stops_at_once;  // the user's second wish
  std::function<bool()> detaches;       // the user's stop means: let it run
};

// Where a run happens. Everything outlives it.
struct Surroundings {
  FileSystem& fs;
  const Clock& clock;
  kernels::Backend& backend;
  const std::atomic<bool>& stop;
  std::function<std::string()> stop_reason;  // "Ctrl-C"
  std::ostream& out;
  ProgressOptions progress;
  int num_threads = 1;               // for initial values
  double peak_flops_per_second = 0;  // 0: unknown, no MFU
  std::string machine;               // for people
  TextSampler* text_sampler = nullptr;
  // Of a run whose ranks are processes; without it this process is the rank.
  std::optional<RunProcesses> processes = std::nullopt;
};

struct TrainingSummary {
  bool finished = false;  // false: the user stopped it
  bool detached = false;  // or let go of it: it goes on
  int64_t step = 0;
  double loss = 0;
  double val_loss = 0, bits_per_byte = 0;
  double seconds = 0;      // training, of all views of the run
  std::string checkpoint;  // path of the last one
  std::string sample;
};

// What refuses a run before its first step is a UserError; what ends it later
// a RunError, after its last good state was saved.
TrainingSummary train(const config::Config& config, const TrainingData& data,
                      const Surroundings& around, bool resume);

}  // namespace colossus::runtime
