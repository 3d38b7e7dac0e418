// How the stages of `prepare` talk to their caller. Inside this folder only.
#pragma once

#include <string>

#include "data/prepare.h"

namespace colossus::data {

// Thrown where the user's wish to stop is seen.
struct PrepareStopped {};

class PrepareWatch {
 public:
  explicit PrepareWatch(const PrepareOptions& options) : options_(options) {}

  void check_stop() const {
    if (options_.stop != nullptr && options_.stop->load()) {
      throw PrepareStopped();
    }
  }
  // Also checks for the stop. total 0 = unknown.
  void report(const char* stage, uint64_t done, uint64_t total) const {
    check_stop();
    if (options_.on_progress) options_.on_progress({stage, done, total});
  }
  void note(const std::string& text) const {
    if (options_.on_note) options_.on_note(text);
  }

 private:
  const PrepareOptions& options_;
};

}  // namespace colossus::data
