// TensorBoard event files: runs/NAME/tensorboard/events.out.tfevents.*, written
// without TensorFlow. For looking at; a run never reads them back.
//
// Format: records of TFRecord (length, CRC, data, CRC) that hold Event messages
// in protobuf's wire form; tensorflow/core/util/event.proto names the fields.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "runtime/journal_event.h"

namespace colossus::runtime {

// Writes one event file. Not thread-safe. The file system must outlive it.
// All methods take the wall clock's time of what they write; all throw what
// FileSystem throws.
class TensorBoardWriter {
 public:
  // Always a new file, whose name sorts behind the others of `folder`.
  // `first_step` is the first that will be done (1 in a new run): TensorBoard
  // drops the points that earlier files have of it and of later steps.
  TensorBoardWriter(FileSystem& fs, const std::string& folder,
                    double wall_seconds, int64_t first_step);

  // loss, aux_loss, learning_rate, grad_norm, tokens_per_second, mfu, and the
  // expert load as expert_load/layer_00/expert_0, its mean being 1.
  void write(const StepMetrics& metrics, double wall_seconds);
  void write(const Validation& validation, double wall_seconds);
  void write(const TextSample& sample, double wall_seconds);

  // Until then the newest events may be in memory only.
  void flush();

  const std::string& path() const { return path_; }

 private:
  void append_event(std::string_view fields, int64_t step, double wall_seconds);

  std::string path_;
  std::unique_ptr<WritableFile> file_;
  std::string buffer_;
};

// The bytes of one record around `data`.
std::string tensorboard_record(std::string_view data);

// CRC-32C as TFRecord stores it: rotated, and moved by a constant.
uint32_t masked_crc32c(std::string_view bytes);

}  // namespace colossus::runtime
