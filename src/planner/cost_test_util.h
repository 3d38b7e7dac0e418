// A machine and a model on which the costs' tests work their numbers out by
// hand: round rates, and every calibrated share 1.
#pragma once

#include "planner/workload.h"

namespace colossus::planner {

// Shares and factors 1, what is added 0.
inline Calibration plain_calibration() {
  Calibration c;
  for (size_t i = 0; i < kNumCalibrated; ++i) calibrated_value(c, i) = 1;
  c.tile_depth = c.small_tile = c.jitter = c.fsdp_slowdown = 0;
  return c;
}

// 1 TFLOP/s, one SM, memory 1e15 B/s, NVLink of 8 devices at 1e11 B/s, network
// 1e10 B/s.
inline Machine plain_machine() {
  Machine machine;
  machine.peak_16_bit = 1e12;
  machine.peak_8_bit = 2e12;
  machine.memory_bandwidth = 1e15;
  machine.memory_bytes = 1e10;
  machine.num_sms = 1;
  machine.exponentials_per_second = 1e12;
  machine.nvlink_bandwidth = 1e11;
  machine.nvlink_domain = 8;
  machine.tiers[0].bandwidth = 1e10;
  machine.num_tiers = 1;
  return machine;
}

// Every width divides by the tiles.
inline Transformer plain_model() {
  Transformer model;
  model.num_layers = 4;
  model.model_dim = 256;
  model.vocab_size = 1024;
  model.num_q_heads = model.num_kv_heads = 4;
  model.head_dim = 64;
  model.dense_ffn_dim = 1024;
  model.gated_ffn = false;
  return model;
}

// A sequence of 128 tokens, one micro-batch on one device.
struct PlainWorkload {
  PlainWorkload() : machine(plain_machine()), model(plain_model()) {
    workload.model = &model;
    workload.machine = &machine;
    workload.global_batch_sequences = 1;
    workload.seq_len = 128;
    workload.stages = stage_layers(model.num_layers, workload.layout);
  }
  PlainWorkload(const PlainWorkload&) = delete;
  PlainWorkload& operator=(const PlainWorkload&) = delete;

  Machine machine;
  Transformer model;
  Workload workload;
  Calibration calibration = plain_calibration();
};

}  // namespace colossus::planner
