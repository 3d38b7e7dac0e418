// Where each named parameter lies in the flat vector of all parameters: what
// checkpoints, the optimizer and reports need to know of a model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace colossus::tensor {

struct TensorEntry {
  std::string name;
  std::vector<int64_t> shape;  // row-major; every length >= 1
  int64_t offset = 0;          // of its first element in the flat vector

  int64_t num_elements() const {
    int64_t count = 1;
    for (const int64_t length : shape) count *= length;
    return count;
  }
};

// In the order of the flat vector, not overlapping; there may be padding
// between two tensors.
using TensorLayout = std::vector<TensorEntry>;

}  // namespace colossus::tensor
