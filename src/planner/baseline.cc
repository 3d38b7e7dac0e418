#include "planner/baseline.h"

#include <fmt/format.h>

#include "planner/median.h"

namespace colossus::planner {
namespace {

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

double flops_per_token(const PublishedRun& run) {
  // By their true shapes at 4096 tokens, which the formula does not know.
  if (contains(run.model_name, "DeepSeek")) return 250e9;
  if (contains(run.model_name, "Kimi")) return 205e9;
  const auto h = static_cast<double>(*run.hidden);
  const auto heads = static_cast<double>(run.heads.value_or(64));
  const double d =
      run.head_dim ? static_cast<double>(*run.head_dim) : h / heads;
  const double kv = run.kv_heads ? static_cast<double>(*run.kv_heads) : heads;
  const double f =
      run.ffn_hidden ? static_cast<double>(*run.ffn_hidden) : 4 * h;
  const double attention = 2 * h * heads * d + 2 * h * kv * d;
  double ffn = (run.mlp_type == "gated" ? 3 : 2) * h * f;
  if (run.is_moe()) {
    ffn = ffn * static_cast<double>(run.topk.value_or(1)) +
          h * static_cast<double>(run.experts.value_or(0));
  }
  const auto layers = static_cast<double>(*run.layers);
  const auto vocab = static_cast<double>(run.vocab.value_or(51200));
  return 6 * (layers * (attention + ffn) + h * vocab) +
         6 * layers * heads * d * static_cast<double>(*run.seq_len);
}

double tokens(const PublishedRun& run) {
  return static_cast<double>(*run.global_batch_sequences) *
         static_cast<double>(*run.seq_len);
}

// FLOP/s of one GPU; nothing where the row leaves open what it needs.
std::optional<double> rate_of(const PublishedRun& run) {
  const bool is_known = run.hidden && run.layers && run.seq_len &&
                        run.global_batch_sequences && run.num_gpus;
  if (!is_known) return std::nullopt;
  return flops_per_token(run) * tokens(run) /
         (*run.step_seconds() * static_cast<double>(*run.num_gpus));
}

std::string class_of(const PublishedRun& run) {
  return fmt::format("{}/{}/{}", gpu_class(run),
                     static_cast<int>(arithmetic_of(run)), run.kind);
}

}  // namespace

std::string gpu_class(const PublishedRun& run) {
  const std::string name = device_name_of(run.gpu).value_or("");
  if (name.starts_with("A100")) return "A100";
  if (name.starts_with("H")) return "H100";
  return name == "B300" || name == "GB300" ? "B300" : "B200";
}

std::vector<std::optional<double>> baseline_seconds(
    const std::vector<BaselineRow>& rows) {
  std::vector<std::optional<double>> rates;
  std::vector<std::string> classes;
  for (const BaselineRow& row : rows) {
    rates.push_back(rate_of(*row.run));
    classes.push_back(class_of(*row.run));
  }
  std::vector<std::optional<double>> seconds;
  for (size_t i = 0; i < rows.size(); ++i) {
    seconds.emplace_back();
    if (!rates[i]) continue;
    std::vector<double> others;
    for (size_t j = 0; j < rows.size(); ++j) {
      const bool counts =
          rates[j] && rows[j].unit != rows[i].unit && classes[j] == classes[i];
      if (counts) others.push_back(*rates[j]);
    }
    if (others.empty()) continue;
    const PublishedRun& run = *rows[i].run;
    seconds.back() = flops_per_token(run) * tokens(run) /
                     (median(others) * static_cast<double>(*run.num_gpus));
  }
  return seconds;
}

}  // namespace colossus::planner
