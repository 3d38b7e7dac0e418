// A small state for tests of this folder: odd sizes, padding between tensors,
// every bit a function of the step.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/random.h"
#include "checkpoint/checkpoint_reader.h"
#include "checkpoint/checkpoint_store.h"

namespace colossus::checkpoint {

// Three flat vectors and their layout.
struct TestState {
  static constexpr size_t kFlatSize = 64;

  explicit TestState(int64_t at_step) : step(at_step) {
    for (const tensor::TensorEntry& entry : layout) {
      for (int64_t i = 0; i < entry.num_elements(); ++i) {
        const auto at = static_cast<size_t>(entry.offset + i);
        const auto seed = static_cast<uint64_t>(step);
        w[at] = static_cast<float>(random_normal(seed, 0, at));
        m[at] = static_cast<float>(random_normal(seed, 1, at));
        v[at] = static_cast<float>(random_uniform(seed, 2, at));
      }
    }
  }

  CheckpointInfo info() const {
    return {step, "fma-1", "digest", {{"journal_bytes", "123"}}};
  }
  void write_to(CheckpointStore& store) const {
    store.write(info(), layout, w, m, v);
  }

  int64_t step;
  tensor::TensorLayout layout = {
      {"model.embed_tokens.weight", {3, 5}, 0},
      {"model.norm.weight", {7}, 16},
      {"model.layers.0.self_attn.q_proj.weight", {5, 3}, 32}};
  std::vector<float> w = std::vector<float>(kFlatSize);
  std::vector<float> m = std::vector<float>(kFlatSize);
  std::vector<float> v = std::vector<float>(kFlatSize);
};

// Whether the checkpoint holds exactly the state of its step.
inline bool holds_its_state(const VerifiedCheckpoint& checkpoint) {
  const TestState expected(checkpoint.info().step);
  std::vector<float> w(TestState::kFlatSize), m(w), v(w);
  checkpoint.read_weights(expected.layout, w);
  checkpoint.read_moments(expected.layout, m, v);
  return w == expected.w && m == expected.m && v == expected.v &&
         checkpoint.info() == expected.info();
}

// The file with one bit turned over.
inline void flip_bit(const std::string& path, uint64_t byte, int bit) {
  std::string text = read_file(path);
  text.at(byte) = static_cast<char>(text.at(byte) ^ (1 << bit));
  const auto file = real_file_system().create(path);
  file->append(text);
  file->close();
}

}  // namespace colossus::checkpoint
