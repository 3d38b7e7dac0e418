// A whole run: alone in this process, or as ranks that are processes of their
// own on this machine.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>

#include "base/clock.h"
#include "base/file_system.h"
#include "config/config.h"
#include "runtime/progress.h"
#include "runtime/rank.h"

namespace colossus::runtime {

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
  // More than one rank, or a spare: ranks are processes.
  int64_t ranks = 1;
  int64_t spares = 0;
  std::string target = "auto";  // of the ranks' kernels
};

struct TrainingSummary {
  bool finished = false;  // false: the user stopped it
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
