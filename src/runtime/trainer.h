// A run, from its view to its last step: the one road that a cold start and a
// resume share. Receive the view -> bring the state of every shard from its
// nearest good copy (a checkpoint, or initial values) -> step until the end, or
// until the user stops it.
#pragma once

#include <atomic>
#include <functional>
#include <iosfwd>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/file_system.h"
#include "config/config.h"
#include "runtime/evaluate.h"
#include "runtime/progress.h"
#include "runtime/step.h"

namespace colossus::runtime {

// What a view says; with one process, its placement is: every shard here.
struct View {
  int64_t number = 1;
  int64_t start_step = 0;  // steps done before it
  std::string reason;      // "new run", "resumed from step 500"
};

// What a run trains on, as functions of (step, shard, row) and of windows.
struct TrainingData {
  BatchSource batches;
  EvalSet validation;
  // Hash of corpus and tokenizer: a resume under another one is refused.
  std::string digest;
};

// Text that the model writes, for the log; memory of its own.
class TextSampler {
 public:
  virtual ~TextSampler() = default;
  virtual uint64_t memory_bytes() const = 0;
  virtual std::string write(const float* w, const std::string& prompt,
                            int64_t num_tokens) = 0;
};

// Where a run happens. Everything outlives the trainer.
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
