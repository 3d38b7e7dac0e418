// The matrix products of a training step of the models that the bench trains.
#pragma once

#include <cstdint>
#include <vector>

namespace colossus::bench {

struct ProductShape {
  const char* model;
  const char* name;
  int64_t rows, in_dim, out_dim;
  int64_t num_groups = 1;  // experts: rows are spread over them unevenly
};

inline std::vector<ProductShape> product_shapes() {
  return {
      {"124M", "qkv", 1024, 768, 2304},
      {"124M", "attention out", 1024, 768, 768},
      {"124M", "gate and up", 1024, 768, 4096},
      {"124M", "down", 1024, 2048, 768},
      {"124M", "head", 1024, 768, 50304},
      {"12M", "qkv", 4096, 384, 1152},
      {"12M", "attention out", 4096, 384, 384},
      {"12M", "gate and up", 4096, 384, 2048},
      {"12M", "down", 4096, 1024, 384},
      {"12M", "head", 4096, 384, 4096},
      {"MoE", "qkv", 4096, 384, 640},
      {"MoE", "experts' gate and up", 8192, 384, 1024, 8},
      {"MoE", "experts' down", 8192, 512, 384, 8},
  };
}

}  // namespace colossus::bench
