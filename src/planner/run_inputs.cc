#include "planner/run_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <initializer_list>
#include <numeric>
#include <optional>
#include <regex>

#include "base/error.h"
#include "config/rules.h"
#include "planner/cluster_file.h"

namespace colossus::planner {
namespace {

// "DeepSeek-V3 (w/o MTP)" -> "deepseekv3womtp".
std::string plain_name(const std::string& name) {
  std::string plain;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte)) plain += static_cast<char>(std::tolower(byte));
  }
  return plain;
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

bool contains_any(const std::string& text,
                  std::initializer_list<const char*> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](const char* part) { return contains(text, part); });
}

// Thrown inside, caught below: the row says too little.
struct CannotSay {
  std::string why;
};

class Inputs {
 public:
  explicit Inputs(const PublishedRun& run)
      : run_(run), name_(plain_name(run.model_name)) {}

  RunInputs read() {
    try {
      result_.why_not = why_impossible(run_);
      if (!result_.why_not.empty()) throw CannotSay{result_.why_not};
      read_layout();
      read_batch_and_precision();
      read_model();
      read_cluster();
      choose_slots(result_.model, result_.layout);
      result_.broken_rules = violations(result_.model, result_.cluster,
                                        result_.global_batch_sequences,
                                        result_.seq_len, result_.layout);
    } catch (const CannotSay& error) {
      result_.why_not = error.why;
    } catch (const UserError& error) {
      result_.why_not = error.what();
    }
    return std::move(result_);
  }

 private:
  template <typename T>
  T known(const std::optional<T>& value, const char* column) const {
    if (!value) throw CannotSay{fmt::format("{} is not published", column)};
    return *value;
  }

  static int64_t product(std::initializer_list<int64_t> factors) {
    const int64_t value = config::product_within(config::kMaxIndex, factors);
    if (value < 0) throw CannotSay{"its numbers are beyond all machines"};
    return value;
  }

  template <typename T>
  T fill(const char* column, T value, const std::string& why) {
    result_.filled.push_back({column, fmt::format("{}", value), why});
    return value;
  }

  int64_t or_fill(const std::optional<int64_t>& value, const char* column,
                  int64_t otherwise, const std::string& why) {
    return value ? *value : fill(column, otherwise, why);
  }

  void read_batch_and_precision() {
    const Layout& l = result_.layout;
    result_.seq_len =
        or_fill(run_.seq_len, "seq_len",
                run_.year.value_or(0) >= 2023 ? 4096 : 2048, "usual then");
    result_.global_batch_sequences = or_fill(
        run_.global_batch_sequences, "global_batch_sequences",
        l.data * l.micro_batch_size * (l.pipeline > 1 ? 8 * l.pipeline : 1),
        "one micro-batch a replica, with pipelines 8 a stage");
    switch (arithmetic_of(run_)) {
      case Arithmetic::k16Bit:
        result_.precision = Precision::kBf16;
        break;
      case Arithmetic::k8Bit:
        result_.precision = Precision::kFp8;
        break;
      case Arithmetic::k4Bit:
        result_.precision = Precision::kFp4;
        break;
    }
    if (run_.precision.empty()) {
      fill<std::string>("precision", "bf16", "not published");
    }
  }

  void read_layout() {
    Layout& l = result_.layout;
    l.tensor = or_fill(run_.tp, "tp", 1, "not published");
    l.pipeline = or_fill(run_.pp, "pp", 1, "not published");
    l.context = run_.cp.value_or(1);
    l.expert = run_.ep.value_or(1);
    l.virtual_stages = l.pipeline > 1 ? run_.vpp.value_or(1) : 1;
    if (l.pipeline > 1 && !run_.vpp) {
      fill<int64_t>("vpp", 1, "plain 1F1B");
    }
    read_replicas();
    l.micro_batch_size =
        or_fill(run_.micro_batch, "micro_batch", 1, "the smallest");
    l.zero_stage = zero_stage();
    l.recomputation =
        run_.recompute.empty()
            ? fill<std::string>("recompute", "none", "not published")
            : run_.recompute;
    l.sequence_parallel =
        run_.sequence_parallel
            ? *run_.sequence_parallel
            : l.tensor > 1 && fill("sequence_parallel", false, "not published");
  }

  void read_replicas() {
    Layout& l = result_.layout;
    const int64_t of_replica = product({l.tensor, l.pipeline, l.context});
    if (!run_.num_gpus) {
      l.data = known(run_.dp, "num_gpus, and so is dp, which");
      fill("num_gpus", product({of_replica, l.data}), "tp x pp x cp x dp");
      return;
    }
    l.data = std::max<int64_t>(*run_.num_gpus / of_replica, 1);
    if (run_.dp && *run_.dp != l.data) {
      fill("dp", l.data,
           fmt::format("printed is {}, which contradicts the GPUs", *run_.dp));
    }
  }

  int64_t zero_stage() {
    const std::string zero = plain_name(run_.zero_or_fsdp);
    if (zero.empty()) {
      const bool shares =
          contains_any(run_.framework, {"nemo", "megatron-bridge"});
      return fill<int64_t>("zero_or_fsdp", shares ? 1 : 0,
                           "the framework's default");
    }
    for (const int64_t stage : {1, 2, 3}) {
      if (contains(zero, fmt::format("zero{}", stage).c_str())) return stage;
    }
    if (contains(zero, "nofsdp") || zero == "none" || zero == "ddp") return 0;
    if (contains(zero, "fsdp") || contains(zero, "hsdp")) return 3;
    return fill<int64_t>("zero_or_fsdp", 1, "its stage is not published");
  }

  void read_model() {
    Transformer& m = result_.model;
    m.name = run_.model_name;
    read_depth_and_width();
    m.vocab_size =
        or_fill(run_.vocab, "vocab", 51200, "as the baseline has it");
    read_heads();
    read_feed_forward();
    if (!m.gated_ffn) make_gpt();
    read_particulars();
    validate(m, run_.id + ": ");
  }

  void read_depth_and_width() {
    Transformer& m = result_.model;
    if (run_.layers && run_.hidden) {
      m.num_layers = *run_.layers;
      m.model_dim = *run_.hidden;
      return;
    }
    // 12 L h^2 = P, h = 128 L.
    const double parameters = billions() * 1e9;
    const double by_both = std::cbrt(128 * parameters / 12);
    const double by_layers = std::sqrt(
        parameters / 12 / static_cast<double>(run_.layers.value_or(1)));
    const double h = run_.layers ? by_layers : by_both;
    const auto hidden = std::max<int64_t>(std::llround(h / 128) * 128, 128);
    m.model_dim = or_fill(run_.hidden, "hidden", hidden, "from the parameters");
    const auto width = static_cast<double>(m.model_dim);
    const auto layers =
        std::max<int64_t>(std::llround(parameters / 12 / width / width), 1);
    m.num_layers =
        or_fill(run_.layers, "layers", layers, "from the parameters");
  }

  double billions() const {
    if (run_.is_moe()) {
      throw CannotSay{"the shape of a model with experts is not published"};
    }
    if (run_.params_b) return *run_.params_b;
    static const std::regex kSize(R"((\d{1,5}(\.\d{1,3})?) ?[bB]\b)");
    std::smatch match;
    if (!std::regex_search(run_.model_name, match, kSize)) {
      throw CannotSay{"neither the model's shape nor its size is published"};
    }
    return std::stod(match[1].str());
  }

  void read_heads() {
    Transformer& m = result_.model;
    m.num_q_heads =
        run_.heads ? *run_.heads
                   : fill("heads", likely_heads(), "head_dim nearest to 128");
    if (run_.head_dim) {
      m.head_dim = *run_.head_dim;
    } else {
      m.head_dim = std::max<int64_t>(m.model_dim / m.num_q_heads, 1);
    }
    const bool latent = is_deepseek() || is_kimi();
    m.num_kv_heads = latent || run_.kv_heads
                         ? run_.kv_heads.value_or(m.num_q_heads)
                         : fill("kv_heads", m.num_q_heads, "as many as heads");
  }

  int64_t likely_heads() const {
    const int64_t hidden = result_.model.model_dim;
    const int64_t tensor = result_.layout.tensor;
    int64_t best = tensor;
    double least = 1e300;
    for (int64_t head_dim = 1; head_dim <= 1024; ++head_dim) {
      const bool divides =
          hidden % head_dim == 0 && hidden / head_dim % tensor == 0;
      const double distance =
          std::abs(std::log(static_cast<double>(head_dim) / 128));
      if (!divides || distance >= least) continue;
      least = distance;
      best = hidden / head_dim;
    }
    return best;
  }

  void read_feed_forward() {
    Transformer& m = result_.model;
    if (run_.mlp_type.empty()) {
      m.gated_ffn = run_.is_moe() ||
                    contains_any(name_, {"llama", "qwen", "mistral", "mixtral",
                                         "deepseek", "kimi", "gemma"});
      fill<std::string>("mlp_type", m.gated_ffn ? "gated" : "plain",
                        "as models of this name have it");
    } else {
      m.gated_ffn = !run_.mlp_type.starts_with("plain");
    }
    const int64_t likely =
        m.gated_ffn ? (8 * m.model_dim / 3 + 255) / 256 * 256 : 4 * m.model_dim;
    const int64_t width = or_fill(run_.ffn_hidden, "ffn_hidden", likely,
                                  m.gated_ffn ? "8/3 x hidden" : "4 x hidden");
    if (!run_.experts) {
      m.dense_ffn_dim = width;
      return;
    }
    m.num_experts = *run_.experts;
    m.expert_ffn_dim = width;
    m.num_selected_experts = or_fill(run_.topk, "topk", 2, "as Mixtral");
  }

  void make_gpt() {
    Transformer& m = result_.model;
    const bool nemotron = contains(name_, "nemotron");
    const bool mpt = contains(name_, "mpt");
    m.layer_norm = true;
    m.qkv_bias = m.attention_output_bias = m.ffn_bias = !mpt && !nemotron;
    m.tie_embeddings = !nemotron;
    const bool rotary = nemotron || contains_any(name_, {"neox", "bloom"});
    if (!rotary) m.learned_positions = result_.seq_len;
  }

  bool is_deepseek() const { return contains(name_, "deepseekv3"); }
  bool is_kimi() const { return contains(name_, "kimik2"); }

  // README.md: "DeepSeekV3 and Kimi-K2 have latent attention, one shared
  // expert, and the first 3 (Kimi 1) layers dense with 18432"; "DeepSeekV3 has
  // its MTP layer unless w/o MTP". The other figures are those of their
  // config.json.
  void read_particulars() {
    Transformer& m = result_.model;
    if (contains(name_, "qwen3")) m.qk_norm = true;
    if (contains(name_, "gptoss")) {
      m.sliding_window = 128;
      m.full_attention_every = 2;
      m.qkv_bias = m.attention_output_bias = m.ffn_bias = true;
      m.router_bias = m.attention_sinks = true;
    }
    if (!is_deepseek() && !is_kimi()) return;
    m.latent = {.q_lora_rank = 1536,
                .kv_lora_rank = 512,
                .qk_nope_head_dim = 128,
                .qk_rope_head_dim = 64,
                .v_head_dim = 128};
    m.first_dense_layers = is_kimi() ? 1 : 3;
    m.dense_ffn_dim = 18432;
    m.num_shared_experts = 1;
    m.shared_expert_ffn_dim = m.expert_ffn_dim;
    m.router_bias = true;
    m.num_mtp_layers = is_deepseek() && !contains(name_, "womtp") ? 1 : 0;
  }

  void read_cluster() {
    Cluster& c = result_.cluster;
    const std::optional<std::string> device = device_name_of(run_.gpu);
    if (!device) {
      throw CannotSay{fmt::format("the GPU '{}' is not known", run_.gpu)};
    }
    c.name = run_.id;
    c.num_devices = run_.num_gpus.value_or(result_.layout.num_ranks());
    c.device = device_named(*device, run_.id);
    read_node();
    c.node.num_devices = or_fill(run_.gpus_per_node, "gpus_per_node",
                                 c.node.num_devices, "the usual node");
    if (c.num_devices % c.node.num_devices != 0) {
      c.node.num_devices = c.num_devices < c.node.num_devices
                               ? c.num_devices
                               : std::gcd(c.num_devices, c.node.num_devices);
    }
    c.network = network_named(c.node.network, run_.id);
    read_run_defaults(c);
    validate(c, run_.id);
  }

  // A figure in the words ("1600 Gb/s per node", "400 Gb/s per GPU"), or a name
  // that is known.
  void read_node() {
    Node& node = result_.cluster.node;
    const std::string& words = run_.internode_network;
    static const std::regex kFigure(
        R"((\d{1,6}(\.\d{1,3})?) ?Gb/s per (node|GPU))");
    std::smatch match;
    const std::string usual = result_.cluster.device.node;
    if (contains(words, "Omni-Path")) {
      node = node_named("JeanZay-A100", run_.id);
      return;
    }
    node = node_named(usual, run_.id);
    if (std::regex_search(words, match, kFigure)) {
      const double gigabits = std::stod(match[1].str());
      const int64_t sharing =
          match[3] == "node" ? run_.gpus_per_node.value_or(node.num_devices)
                             : 1;
      node.nic_bandwidth = gigabits * 1e9 / 8 / static_cast<double>(sharing);
      node.network = "flat";
      return;
    }
    fill("internode_network", usual,
         words.empty() ? "the GPU's usual node"
                       : "the words name no speed: the GPU's usual node");
  }

  const PublishedRun& run_;
  std::string name_;
  RunInputs result_;
};

}  // namespace

bool RunInputs::was_filled(const std::string& column) const {
  return std::any_of(filled.begin(), filled.end(), [&](const Filled& field) {
    return field.column == column;
  });
}

RunInputs inputs_of(const PublishedRun& run) { return Inputs(run).read(); }

}  // namespace colossus::planner
