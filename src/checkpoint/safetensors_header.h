// The JSON header of a safetensors file as plain structs. Only its form is
// checked here; whether the tensors fit the data is safetensors.cc's part.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace colossus::checkpoint {

struct TensorHeader {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> data_offsets;  // begin and end, in the data
};

struct SafetensorsHeader {
  std::vector<TensorHeader> tensors;  // in the order of the text
  std::map<std::string, std::string> metadata;
};

// Throws CorruptFile, naming `source` and the place, unless the text is exactly
//   {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
//    "__metadata__": {"KEY": "VALUE", ...}}
// padded behind with spaces: no other key, none twice, none missing.
SafetensorsHeader parse_safetensors_header(std::string_view text,
                                           const std::string& source);

// The text for it, in the order of `tensors`.
std::string write_safetensors_header(const SafetensorsHeader& header);

}  // namespace colossus::checkpoint
