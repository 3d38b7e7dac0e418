// A named tensor inside a flat vector of floats: what the optimizer, the shards
// and the checkpoints know of a model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace colossus::tensor {

struct Parameter {
  std::string name;
  std::vector<int64_t> shape;  // [dim] or [out, in]
  int64_t offset = 0;          // floats from the start of the flat vector
  int64_t count = 0;
  // Initial values: normal with this standard deviation; 0: all ones.
  double init_std = 0;

  bool is_matrix() const { return shape.size() > 1; }
};

}  // namespace colossus::tensor
