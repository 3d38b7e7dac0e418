#include "runtime/verify.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.h"
#include "base/file_system.h"
#include "checkpoint/safetensors.h"
#include "config/reference_case.h"
#include "model/grok.h"
#include "optimizer/sharded_adamw.h"
#include "runtime/step.h"
#include "tensor/arena.h"

namespace colossus::runtime {
namespace {

std::string without_ending(std::string path) {
  for (const std::string ending : {".json", ".safetensors"}) {
    if (path.ends_with(ending)) path.resize(path.size() - ending.size());
  }
  return path;
}

double relative_error(std::span<const float> ours,
                      std::span<const double> theirs) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < theirs.size(); ++i) {
    const double d = double{ours[i]} - theirs[i];
    difference += d * d;
    norm += theirs[i] * theirs[i];
  }
  if (norm == 0) return std::sqrt(difference);
  return std::sqrt(difference / norm);
}

// The case's two files, and the engine built for its shape.
class CaseRun {
 public:
  CaseRun(const std::string& path, kernels::Backend& backend);

  Verification verify();

 private:
  config::Config make_config() const;
  void read_tokens();
  void read_weights();
  void compare(const std::string& name, std::span<const float> ours);
  void compare_scalar(const std::string& name, double ours);
  void compare_parameters(const std::string& prefix, const float* flat);
  void compare_forward(const StepSummary& result);
  StepSummary step(int64_t number);

  const config::ReferenceCase case_;
  const checkpoint::SafetensorsFile file_;
  kernels::Backend& backend_;
  int64_t num_sequences_ = 0, seq_len_ = 0;
  std::vector<int32_t> tokens_, targets_;
  std::unique_ptr<tensor::Arena> arena_;
  std::unique_ptr<TrainingStep> step_;
  std::vector<float> w_, m_, v_, gradient_;
  Verification verification_;
};

CaseRun::CaseRun(const std::string& path, kernels::Backend& backend)
    : case_(config::read_reference_case(read_file(path + ".json"),
                                        path + ".json")),
      file_(path + ".safetensors"),
      backend_(backend) {
  read_tokens();
  const config::Config config = make_config();
  tensor::Arena plan, no_room;
  TrainingStep planned(config, 1, backend_, plan, no_room);
  arena_ = std::make_unique<tensor::Arena>(plan.high_water_bytes());
  step_ = std::make_unique<TrainingStep>(config, 1, backend_, *arena_, no_room);
  const auto padded = static_cast<size_t>(step_->padded_count());
  w_.resize(padded);
  m_.resize(padded);
  v_.resize(padded);
  gradient_.resize(padded);
  read_weights();
  verification_.purpose = case_.purpose;
}

config::Config CaseRun::make_config() const {
  config::Config config;
  config.model = case_.model;
  config.optimizer = case_.optimizer;
  config.run.seq_len = seq_len_;
  config.run.num_shards = 1;
  config.run.micro_batch_size = num_sequences_;
  return config;
}

// tokens [B, T+1]: inputs are the first T of a row, targets the last T.
void CaseRun::read_tokens() {
  const checkpoint::StoredTensor& stored = file_->get("tokens");
  if (stored.shape.size() != 2 || stored.shape[0] < 1 || stored.shape[1] < 2) {
    throw corrupt_file("{}: 'tokens' must be [B, T+1] with T >= 1, not {}",
                       file_->source(), checkpoint::shape_text(stored.shape));
  }
  num_sequences_ = stored.shape[0];
  seq_len_ = stored.shape[1] - 1;
  const std::vector<double> values = checkpoint::read_as_doubles(stored);
  for (size_t i = 0; i < values.size(); ++i) {
    const bool valid = values[i] >= 0 &&
                       values[i] < static_cast<double>(case_.model.vocab_size);
    if (!valid) {
      throw corrupt_file("{}: token {} is {}, outside the vocabulary of {}",
                         file_->source(), i, values[i], case_.model.vocab_size);
    }
    const auto column = static_cast<int64_t>(i) % (seq_len_ + 1);
    const auto token = static_cast<int32_t>(values[i]);
    if (column < seq_len_) tokens_.push_back(token);
    if (column > 0) targets_.push_back(token);
  }
}

void CaseRun::read_weights() {
  for (const tensor::TensorEntry& t : step_->parameters().layout()) {
    const checkpoint::StoredTensor& stored = file_->get("param/" + t.name);
    if (stored.shape != t.shape) {
      throw corrupt_file("{}: '{}' is {}, its config makes it {}",
                         file_->source(), stored.name,
                         checkpoint::shape_text(stored.shape),
                         checkpoint::shape_text(t.shape));
    }
    const std::vector<double> values = checkpoint::read_as_doubles(stored);
    std::transform(values.begin(), values.end(), w_.begin() + t.offset,
                   [](double x) { return static_cast<float>(x); });
  }
}

void CaseRun::compare(const std::string& name, std::span<const float> ours) {
  const checkpoint::StoredTensor& stored = file_->get(name);
  if (stored.num_elements() != static_cast<int64_t>(ours.size())) {
    throw corrupt_file("{}: '{}' has {} elements, its config makes it {}",
                       file_->source(), name, stored.num_elements(),
                       ours.size());
  }
  verification_.deviations.push_back(
      {name, relative_error(ours, checkpoint::read_as_doubles(stored))});
}

void CaseRun::compare_scalar(const std::string& name, double ours) {
  const auto value = static_cast<float>(ours);
  compare(name, {&value, 1});
}

void CaseRun::compare_parameters(const std::string& prefix, const float* flat) {
  for (const tensor::TensorEntry& t : step_->parameters().layout()) {
    compare(prefix + t.name,
            {flat + t.offset, static_cast<size_t>(t.num_elements())});
  }
}

StepSummary CaseRun::step(int64_t number) {
  const auto T = static_cast<size_t>(seq_len_);
  std::vector<double> record(static_cast<size_t>(step_->record_size()));
  step_->compute(
      w_.data(), number, {.first = 0, .count = 1},
      [&](int64_t, int64_t, int64_t row, int32_t* tokens, int32_t* targets) {
        const size_t begin = static_cast<size_t>(row) * T;
        std::copy_n(tokens_.begin() + static_cast<int64_t>(begin), T, tokens);
        std::copy_n(targets_.begin() + static_cast<int64_t>(begin), T, targets);
      },
      gradient_.data(), record, step_->record_size());
  return step_->summarize(record, step_->record_size());
}

void CaseRun::compare_forward(const StepSummary& result) {
  model::Grok& model = step_->model();
  const int64_t rows = num_sequences_ * seq_len_;
  std::vector<float> logits(static_cast<size_t>(rows * case_.model.vocab_size));
  model.logits(w_.data(), 0, rows, logits.data());
  compare("logits", logits);
  compare_scalar("loss", result.loss);
  compare_scalar("aux_loss", result.aux_loss);
  for (int64_t layer = 0; layer < case_.model.num_layers; ++layer) {
    compare("hidden/" + std::to_string(layer),
            {model.hidden_ND(layer),
             static_cast<size_t>(rows * case_.model.model_dim)});
  }
}

Verification CaseRun::verify() {
  const optimizer::ShardedAdamW adamw(case_.optimizer,
                                      step_->parameters().layout(),
                                      step_->padded_count(), 1, backend_);
  std::vector<float> losses;
  for (int64_t number = 1; number <= case_.steps; ++number) {
    const StepSummary result = step(number);
    losses.push_back(static_cast<float>(result.loss));
    if (number == 1) {
      compare_forward(result);
      compare_parameters("grad/", gradient_.data());
    }
    const double norm =
        result.mean_scale *
        adamw.grad_norm({adamw.sum_of_squares(gradient_.data())});
    adamw.update_slice(0, number, case_.optimizer.learning_rate,
                       result.mean_scale * adamw.clip_scale(norm),
                       gradient_.data(), {w_.data(), m_.data(), v_.data()},
                       {w_.data(), m_.data(), v_.data()});
  }
  compare_parameters("after/", w_.data());
  compare("losses", losses);
  return verification_;
}

}  // namespace

double Verification::worst() const {
  double worst = 0;
  for (const Deviation& d : deviations) {
    // A NaN must not hide behind a comparison.
    if (!(d.relative_error <= worst)) worst = d.relative_error;
  }
  return worst;
}

Verification verify_case(const std::string& path, kernels::Backend& backend) {
  return CaseRun(without_ending(path), backend).verify();
}

}  // namespace colossus::runtime
