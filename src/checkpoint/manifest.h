// manifest.json: what a checkpoint is and what its files must be to the bit.
// docs/formats/checkpoint.md describes it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "checkpoint/safetensors_writer.h"

namespace colossus::checkpoint {

inline constexpr const char* kManifestFile = "manifest.json";
inline constexpr const char* kWeightsFile = "weights.safetensors";
inline constexpr const char* kOptimizerFile = "optimizer.safetensors";
inline constexpr int64_t kFormatVersion = 1;

// What the run says of itself at a step; kept word for word.
struct CheckpointInfo {
  int64_t step = 0;
  std::string numerics_version;
  std::string config_digest;
  std::map<std::string, std::string> extra;
  bool operator==(const CheckpointInfo&) const = default;
};

struct Manifest {
  CheckpointInfo info;
  std::map<std::string, FileRecord> files;  // by name in the folder
  bool operator==(const Manifest&) const = default;
};

// Ends with a checksum over all that stands before it, so that a bit flipped
// anywhere in the text is seen.
std::string write_manifest(const Manifest& manifest);

// Throws CorruptFile (naming `source`) for damage, UserError for a sound
// manifest of a format version that this program does not know.
Manifest parse_manifest(const std::string& text, const std::string& source);

}  // namespace colossus::checkpoint
