#include "planner/published_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <variant>

#include "base/error.h"
#include "base/strings.h"
#include "planner/csv_table.h"
#include "planner/embedded_data.h"

namespace colossus::planner {
namespace {

// Above all that a run can have; the product of two still fits.
constexpr int64_t kMaxCount = 1'000'000'000;
constexpr double kMaxFigure = 1e12;

using Target = std::variant<
    std::string PublishedRun::*, std::optional<int64_t> PublishedRun::*,
    std::optional<double> PublishedRun::*, std::optional<bool> PublishedRun::*>;

struct Column {
  const char* name;
  Target target;
  const char* unit = "";                // in words; cells are bare numbers
  double scale = 1;                     // of the cell's number
  std::vector<std::string> words = {};  // what the cell may say
};

const std::vector<Column>& columns() {
  using R = PublishedRun;
  static const std::vector<Column> all = {
      {"id", &R::id},
      {"source", &R::source},
      {"year", &R::year},
      {"gpu", &R::gpu},
      {"num_gpus", &R::num_gpus},
      {"gpus_per_node", &R::gpus_per_node},
      {"internode_network", &R::internode_network},
      {"model_name", &R::model_name},
      {"params_b", &R::params_b, "10^9 parameters"},
      {"active_params_b", &R::active_params_b, "10^9 parameters"},
      {"layers", &R::layers},
      {"hidden", &R::hidden},
      {"ffn_hidden", &R::ffn_hidden},
      {"heads", &R::heads},
      {"kv_heads", &R::kv_heads},
      {"head_dim", &R::head_dim},
      {"vocab", &R::vocab},
      {"seq_len", &R::seq_len, "tokens"},
      {"experts", &R::experts},
      {"topk", &R::topk},
      {"global_batch_sequences", &R::global_batch_sequences, "sequences"},
      {"micro_batch", &R::micro_batch, "sequences"},
      {"tp", &R::tp},
      {"pp", &R::pp},
      {"vpp", &R::vpp},
      {"dp", &R::dp},
      {"ep", &R::ep},
      {"cp", &R::cp},
      {"zero_or_fsdp", &R::zero_or_fsdp},
      {"recompute", &R::recompute, "", 1, {"none", "selective", "full"}},
      {"precision", &R::precision},
      {"step_time_s", &R::step_time_s, "seconds"},
      {"tokens_per_s_per_gpu", &R::tokens_per_s_per_gpu, "tokens a second"},
      {"tflops_per_gpu", &R::tflops_per_gpu, "TFLOP/s"},
      {"mfu_pct", &R::mfu_pct, "percent"},
      {"mfu_definition_notes", &R::mfu_definition_notes},
      {"mem_gib_per_gpu", &R::mem_gib_per_gpu, "GiB"},
      {"hfu_pct", &R::hfu_pct, "percent"},
      {"mlp_type", &R::mlp_type},
      {"quality", &R::quality},
      {"derived_fields", &R::derived_fields},
      {"notes", &R::notes},
      {"family", &R::family},
      {"framework", &R::framework},
      {"framework_version", &R::framework_version},
      {"kind", &R::kind, "", 1, {"dense", "moe"}},
      {"attention", &R::attention},
      {"sequence_parallel", &R::sequence_parallel},
      {"compiled", &R::compiled},
      {"overlap", &R::overlap},
      // out_of_memory.csv
      {"zero", &R::zero_or_fsdp},
      {"grad_accum_dtype", &R::grad_accum_dtype},
      // single_node_a100.csv
      {"GPUs", &R::num_gpus},
      {"global batch", &R::global_batch_sequences, "sequences"},
      {"micro batch", &R::micro_batch, "sequences"},
      {"hidden size", &R::hidden},
      {"attention heads", &R::heads},
      {"sequence length", &R::seq_len, "tokens"},
      {"tensor parallelism", &R::tp},
      {"data parallelism", &R::dp},
      {"pipeline parallelism", &R::pp},
      {"iteration time (ms)", &R::step_time_s, "milliseconds", 1e-3},
  };
  return all;
}

const Column& column_named(const std::string& name, const std::string& source) {
  std::vector<std::string> names;
  for (const Column& column : columns()) {
    if (column.name == name) return column;
    names.emplace_back(column.name);
  }
  const std::string shown = name.substr(0, 80);
  throw user_error("{}:1: unknown column '{}'{}", source, shown,
                   did_you_mean(shown, names));
}

// A cell, its column and its place.
struct Cell {
  const std::string& text;
  const Column& column;
  const std::string& source;
  int64_t line;

  [[noreturn]] void refuse(const std::string& why) const {
    const std::string unit =
        *column.unit == '\0'
            ? std::string()
            : fmt::format(" (in {}, without a unit)", column.unit);
    throw user_error("{}:{}: column '{}': '{}' {}{}", source, line, column.name,
                     text.substr(0, 80), why, unit);
  }
};

template <typename Number>
Number number_of(const Cell& cell, Number max) {
  Number value = 0;
  const char* end = cell.text.data() + cell.text.size();
  const auto [at, error] = std::from_chars(cell.text.data(), end, value);
  if (error == std::errc::result_out_of_range) cell.refuse("is out of range");
  if (error != std::errc() || at != end) {
    cell.refuse(std::is_integral_v<Number> ? "is no whole number"
                                           : "is no number");
  }
  if (!(value > 0)) cell.refuse("is not above 0");
  if (value > max) cell.refuse(fmt::format("is beyond {}", max));
  return value;
}

struct Assign {
  const Cell& cell;
  PublishedRun& run;

  void operator()(std::string PublishedRun::*field) const {
    const std::vector<std::string>& words = cell.column.words;
    const bool known = words.empty() || std::find(words.begin(), words.end(),
                                                  cell.text) != words.end();
    if (!known) cell.refuse("is none of " + joined(words));
    // Ids stand in tables and in comments of files.
    const bool is_plain =
        field != &PublishedRun::id ||
        std::none_of(cell.text.begin(), cell.text.end(),
                     [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; });
    if (!is_plain) cell.refuse("holds a control character");
    run.*field = cell.text;
  }
  void operator()(std::optional<int64_t> PublishedRun::*field) const {
    run.*field = number_of<int64_t>(cell, kMaxCount);
  }
  void operator()(std::optional<double> PublishedRun::*field) const {
    run.*field = number_of<double>(cell, kMaxFigure) * cell.column.scale;
  }
  void operator()(std::optional<bool> PublishedRun::*field) const {
    if (cell.text != "yes" && cell.text != "no")
      cell.refuse("is not yes or no");
    run.*field = cell.text == "yes";
  }

  static std::string joined(const std::vector<std::string>& words) {
    std::string list;
    for (const std::string& word : words) {
      list += (list.empty() ? "" : ", ") + word;
    }
    return list;
  }
};

// bloomtest-001..024 print TFLOP/s of 96 L h^2 a token (README.md), and 16 of
// them no layers.
void derive_layers(PublishedRun& run) {
  const bool can = run.id.starts_with("bloomtest-") && !run.layers &&
                   run.hidden && run.tflops_per_gpu && run.step_time_s &&
                   run.global_batch_sequences && run.seq_len && run.num_gpus;
  if (!can) return;
  const double tokens = static_cast<double>(*run.global_batch_sequences) *
                        static_cast<double>(*run.seq_len);
  const double flops_per_token = *run.tflops_per_gpu * 1e12 *
                                 static_cast<double>(*run.num_gpus) *
                                 *run.step_time_s / tokens;
  const auto h = static_cast<double>(*run.hidden);
  run.layers = std::llround(flops_per_token / (96 * h * h));
  run.derived.push_back(fmt::format(
      "layers = {}, from {} TFLOP/s at 96 x layers x hidden^2 a token",
      *run.layers, *run.tflops_per_gpu));
}

// torchtitan prints a replica's batch. Its pipeline schedule cuts that into
// micro-batches, into how many is not printed.
void derive_batches(PublishedRun& run) {
  if (run.framework != "torchtitan") return;
  if (run.pp.value_or(1) > 1) {
    run.local_batch = run.micro_batch;
    run.micro_batch.reset();
  }
  const std::optional<int64_t> of_replica =
      run.local_batch ? run.local_batch : run.micro_batch;
  const bool lacks_batch = !run.global_batch_sequences && of_replica && run.dp;
  if (!lacks_batch) return;
  run.global_batch_sequences = *of_replica * *run.dp;
  run.derived.push_back(
      fmt::format("global_batch_sequences = {} = {} of a replica x {} replicas",
                  *run.global_batch_sequences, *of_replica, *run.dp));
}

PublishedRun run_of(const CsvRow& row,
                    const std::vector<const Column*>& targets,
                    const std::string& source) {
  PublishedRun run;
  run.line = row.line;
  for (size_t i = 0; i < targets.size(); ++i) {
    if (row.cells[i].empty()) continue;
    const Cell cell = {row.cells[i], *targets[i], source, row.line};
    std::visit(Assign{cell, run}, targets[i]->target);
  }
  if (run.id.empty()) run.id = fmt::format("row {}", run.line);
  if (run.kind.empty()) run.kind = run.experts ? "moe" : "dense";
  derive_layers(run);
  derive_batches(run);
  return run;
}

// Two columns of one meaning would overwrite each other.
std::vector<const Column*> targets_of(const CsvTable& table,
                                      const std::string& source) {
  std::vector<const Column*> targets;
  for (const std::string& name : table.columns) {
    const Column& column = column_named(name, source);
    for (const Column* other : targets) {
      if (other->target != column.target) continue;
      throw user_error("{}:1: the columns '{}' and '{}' say the same", source,
                       other->name, column.name);
    }
    targets.push_back(&column);
  }
  return targets;
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

std::optional<double> PublishedRun::step_seconds() const {
  if (step_time_s) return step_time_s;
  const bool has_rate =
      tokens_per_s_per_gpu && num_gpus && global_batch_sequences && seq_len;
  if (!has_rate) return std::nullopt;
  return static_cast<double>(*global_batch_sequences) *
         static_cast<double>(*seq_len) /
         (*tokens_per_s_per_gpu * static_cast<double>(*num_gpus));
}

std::vector<PublishedRun> read_published_runs(std::string_view text,
                                              const std::string& source) {
  const CsvTable table = read_csv(text, source);
  const std::vector<const Column*> targets = targets_of(table, source);
  std::vector<PublishedRun> runs;
  std::set<std::string> ids;
  for (const CsvRow& row : table.rows) {
    runs.push_back(run_of(row, targets, source));
    if (!ids.insert(runs.back().id).second) {
      throw user_error("{}:{}: column 'id': '{}' stands twice", source,
                       row.line, runs.back().id.substr(0, 80));
    }
  }
  return runs;
}

std::vector<PublishedRun> shipped_runs() {
  return read_published_runs(published_runs_csv(), "published_runs.csv");
}

std::vector<PublishedRun> shipped_out_of_memory_runs() {
  std::vector<PublishedRun> runs =
      read_published_runs(out_of_memory_csv(), "out_of_memory.csv");
  for (PublishedRun& run : runs) {
    run.gpus_per_node = 8;
    run.internode_network = "Omni-Path, 4 links per node";
    run.family = "bigscience";
    run.framework = "megatron-deepspeed";
    run.attention = "unfused";
  }
  return runs;
}

std::vector<PublishedRun> shipped_single_node_runs() {
  std::vector<PublishedRun> runs =
      read_published_runs(single_node_a100_csv(), "single_node_a100.csv");
  for (PublishedRun& run : runs) {
    run.gpu = "A100";
    run.gpus_per_node = 8;
    run.family = "vtrain";
    run.framework = "megatron-deepspeed";
  }
  return runs;
}

std::string why_impossible(const PublishedRun& run) {
  if (run.id != "mbridge-104") return "";
  return "70B at tp 1, pp 1 without FSDP: 16-bit weights and gradients alone "
         "are 282 of 288 GB";
}

Arithmetic arithmetic_of(const PublishedRun& run) {
  std::string name = run.precision;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (contains(run.gpu, "A100")) return Arithmetic::k16Bit;
  if (contains(name, "fp4")) return Arithmetic::k4Bit;
  if (contains(name, "fp8")) return Arithmetic::k8Bit;
  return Arithmetic::k16Bit;
}

std::optional<std::string> device_name_of(const std::string& gpu) {
  // The more particular name first.
  for (const char* name : {"GB300", "GB200", "B300", "B200", "H200", "H800"}) {
    if (contains(gpu, name)) return name;
  }
  if (contains(gpu, "H100")) {
    if (contains(gpu, "PCIe")) return "H100-PCIe";
    const bool large = contains(gpu, "96GB") || contains(gpu, "96 GB") ||
                       contains(gpu, "94/95GB");
    return large ? "H100-96GB" : "H100-SXM";
  }
  if (contains(gpu, "A100")) {
    const bool small = contains(gpu, "40GB") || contains(gpu, "40 GB");
    return small ? "A100-40GB" : "A100-80GB";
  }
  return std::nullopt;
}

}  // namespace colossus::planner
