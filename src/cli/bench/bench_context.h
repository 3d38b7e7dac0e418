// What every part of `colossus bench` is handed, and the parts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/bench/report.h"

namespace colossus::kernels {
class Backend;
}

namespace colossus::cli {

struct BenchContext {
  int num_threads;
  // Measurements of which the median counts.
  int num_repeats;
  kernels::Backend& backend;  // of num_threads threads
  Report& report;
};

// FMA peak, memory read and copy.
void bench_peak(const BenchContext& context);

// Whole training steps of configs, as the trainer does them: tokens/s, MFU,
// and where the time goes, by operation.
void bench_step(const BenchContext& context,
                const std::vector<std::string>& configs);

// Each kernel of a config's step, by the shape of the call, against the FMA
// peak or the memory's speed.
void bench_kernels(const BenchContext& context,
                   const std::vector<std::string>& configs);

// One token after another in fp32, batch 1: the share of the memory's read
// speed.
void bench_decode(const BenchContext& context, const std::string& config);

// Text to tokens, in MB/s of text. `text`: a file; empty: made-up words.
void bench_tokenize(const BenchContext& context, const std::string& text);

// A checkpoint of a config's size written into a folder made under `folder`
// (removed afterwards), beside a plain file of the same size.
void bench_checkpoint(const BenchContext& context, const std::string& config,
                      const std::string& folder);

// Reads commands from standard input and answers each with a line of JSON, so
// that a program can take turns between this and others (bench/run.py):
//
//   run N     N training steps      {"seconds": 1.25, "loss": 8.31}
//   peak      one FMA measurement   {"flops_per_second": 2.1e11}
//   quit
//
// It first prints a line that describes the model and the machine.
void serve_steps(const BenchContext& context, const std::string& config);

}  // namespace colossus::cli
