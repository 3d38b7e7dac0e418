// See tensorboard.h.
#include "runtime/tensorboard.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <span>

#include "runtime/crc32c.h"
#include "runtime/protobuf.h"
#include "base/utf8.h"

namespace colossus::runtime {
namespace {

// Field numbers of event.proto, summary.proto and tensor.proto.
namespace event_field {
constexpr uint32_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5,
                   kSessionLog = 7;
}
namespace session_log_field {
constexpr uint32_t kStatus = 1;
}
namespace summary_field {
constexpr uint32_t kValue = 1;
}
namespace value_field {
constexpr uint32_t kTag = 1, kSimpleValue = 2, kTensor = 8, kMetadata = 9;
}
namespace metadata_field {
constexpr uint32_t kPluginData = 1, kPluginName = 1;
}
namespace tensor_field {
constexpr uint32_t kDtype = 1, kShape = 2, kStringValue = 8;
constexpr uint32_t kShapeDim = 2, kDimSize = 1;
}  // namespace tensor_field

constexpr int64_t kSessionStart = 1;
constexpr int64_t kDtypeString = 7;
constexpr std::string_view kFilePrefix = "events.out.tfevents.";
constexpr size_t kBufferBytes = 64u << 10;

std::string little_endian(uint64_t value, int num_bytes) {
  std::string bytes;
  for (int i = 0; i < num_bytes; ++i) {
    bytes += static_cast<char>(value >> (8 * i));
  }
  return bytes;
}

// TensorBoard reads the files of a folder in the order of their names, and each
// only forward, so the name must sort behind the newest, whatever the clock.
std::string next_name(const std::string& folder, double wall_seconds) {
  int64_t seconds = static_cast<int64_t>(std::max(wall_seconds, 0.0));
  for (const std::string& name : list_directory(folder)) {
    if (!name.starts_with(kFilePrefix)) continue;
    const char* digits = name.data() + kFilePrefix.size();
    int64_t other = 0;
    const auto parsed =
        std::from_chars(digits, name.data() + name.size(), other);
    const bool is_sane = parsed.ec == std::errc() && other < 9'999'999'999;
    if (is_sane) seconds = std::max(seconds, other + 1);
  }
  return fmt::format("{}{:010}.colossus", kFilePrefix, seconds);
}

class Summary {
 public:
  void scalar(std::string_view tag, double value) {
    message_.message(
        summary_field::kValue,
        ProtobufMessage()
            .bytes(value_field::kTag, tag)
            .real32(value_field::kSimpleValue, static_cast<float>(value)));
  }

  void text(std::string_view tag, std::string_view markdown) {
    const ProtobufMessage plugin =
        ProtobufMessage().bytes(metadata_field::kPluginName, "text");
    const ProtobufMessage dim =
        ProtobufMessage().integer(tensor_field::kDimSize, 1);
    const ProtobufMessage tensor =
        ProtobufMessage()
            .integer(tensor_field::kDtype, kDtypeString)
            .message(tensor_field::kShape,
                     ProtobufMessage().message(tensor_field::kShapeDim, dim))
            .bytes(tensor_field::kStringValue, markdown);
    message_.message(summary_field::kValue,
                     ProtobufMessage()
                         .bytes(value_field::kTag, tag)
                         .message(value_field::kTensor, tensor)
                         .message(value_field::kMetadata,
                                  ProtobufMessage().message(
                                      metadata_field::kPluginData, plugin)));
  }

  // As the field of an Event.
  std::string bytes() const {
    return ProtobufMessage().message(event_field::kSummary, message_).bytes();
  }

 private:
  ProtobufMessage message_;
};

// The text plugin shows Markdown; an indented block is shown as it is.
std::string code_block(std::string_view text) {
  std::string block = "    ";
  for (const char c : text) {
    block += c;
    if (c == '\n') block += "    ";
  }
  return block;
}

void add_expert_load(const ExpertLoad& load, Summary& summary) {
  for (size_t layer = 0; layer < load.size(); ++layer) {
    const double num_experts = static_cast<double>(load[layer].size());
    for (size_t expert = 0; expert < load[layer].size(); ++expert) {
      summary.scalar(
          fmt::format("expert_load/layer_{:02}/expert_{}", layer, expert),
          load[layer][expert] * num_experts);
    }
  }
}

}  // namespace

uint32_t masked_crc32c(std::string_view bytes) {
  constexpr uint32_t kMaskDelta = 0xa282ead8;
  const uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + kMaskDelta;
}

std::string tensorboard_record(std::string_view data) {
  const std::string length = little_endian(data.size(), 8);
  return length + little_endian(masked_crc32c(length), 4) + std::string(data) +
         little_endian(masked_crc32c(data), 4);
}

TensorBoardWriter::TensorBoardWriter(FileSystem& fs, const std::string& folder,
                                     double wall_seconds, int64_t first_step) {
  fs.create_directories(folder);
  path_ = join_path(folder, next_name(folder, wall_seconds));
  file_ = fs.create(path_);
  append_event(ProtobufMessage()
                   .bytes(event_field::kFileVersion, "brain.Event:2")
                   .bytes(),
               0, wall_seconds);
  // A session's start: TensorBoard takes the first of a folder as such, and at
  // each later one drops what has this step or a later one.
  const ProtobufMessage session_log =
      ProtobufMessage().integer(session_log_field::kStatus, kSessionStart);
  append_event(
      ProtobufMessage().message(event_field::kSessionLog, session_log).bytes(),
      first_step, wall_seconds);
  flush();
}

void TensorBoardWriter::write(const StepMetrics& metrics, double wall_seconds) {
  Summary summary;
  summary.scalar("train/loss", metrics.loss);
  summary.scalar("train/aux_loss", metrics.aux_loss);
  summary.scalar("train/learning_rate", metrics.learning_rate);
  summary.scalar("train/grad_norm", metrics.grad_norm);
  summary.scalar("speed/tokens_per_second", metrics.tokens_per_second);
  if (metrics.mfu > 0) summary.scalar("speed/mfu", metrics.mfu);
  add_expert_load(metrics.expert_load, summary);
  append_event(summary.bytes(), metrics.step, wall_seconds);
}

void TensorBoardWriter::write(const Validation& validation,
                              double wall_seconds) {
  Summary summary;
  summary.scalar("validation/val_loss", validation.val_loss);
  if (validation.bits_per_byte > 0) {
    summary.scalar("validation/bits_per_byte", validation.bits_per_byte);
  }
  append_event(summary.bytes(), validation.step, wall_seconds);
}

void TensorBoardWriter::write(const TextSample& sample, double wall_seconds) {
  Summary summary;
  summary.text("sample", code_block(valid_utf8(sample.prompt + sample.text)));
  append_event(summary.bytes(), sample.step, wall_seconds);
}

void TensorBoardWriter::append_event(std::string_view fields, int64_t step,
                                     double wall_seconds) {
  ProtobufMessage event;
  event.real64(event_field::kWallTime, wall_seconds);
  if (step != 0) event.integer(event_field::kStep, step);
  buffer_ += tensorboard_record(event.bytes() + std::string(fields));
  if (buffer_.size() >= kBufferBytes) flush();
}

void TensorBoardWriter::flush() {
  if (buffer_.empty()) return;
  file_->append(buffer_);
  buffer_.clear();
}

}  // namespace colossus::runtime
