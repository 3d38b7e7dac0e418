#include "planner/hugging_face.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "config/rules.h"
#include "config/strict_json.h"

namespace colossus::planner {
namespace {

using config::require;
using nlohmann::json;
using Keys = std::vector<const char*>;

constexpr config::JsonLimits kLimits = {.bytes = size_t{1} << 20, .depth = 16};

std::string list_of(const Keys& keys) {
  std::string list;
  for (const char* key : keys) {
    list += fmt::format("{}'{}'", list.empty() ? "" : " or ", key);
  }
  return list;
}

// One config.json: typed access to its keys. A key whose value is null counts
// as absent, as transformers has it.
class Keyed {
 public:
  Keyed(const json& object, const std::string& source)
      : object_(object), source_(source) {}

  const std::string& source() const { return source_; }

  bool has(const char* key) const { return find(key) != nullptr; }

  std::optional<int64_t> integer(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    const bool fits = value->is_number_integer() &&
                      !(value->is_number_unsigned() &&
                        value->get<uint64_t>() > config::kMaxIndex);
    require(fits, "{}: '{}' must be an integer from 0 to {}, not {}", source_,
            key, config::kMaxIndex, shown(*value));
    const auto number = value->get<int64_t>();
    config::require_range(fmt::format("{}: '{}'", source_, key), number, 0,
                          config::kMaxIndex);
    return number;
  }

  int64_t integer(const char* key, int64_t otherwise) const {
    return integer(key).value_or(otherwise);
  }

  // The first of the keys that is there.
  std::optional<int64_t> any(const Keys& keys) const {
    for (const char* key : keys) {
      if (has(key)) return integer(key);
    }
    return std::nullopt;
  }

  int64_t needed(const Keys& keys) const {
    const std::optional<int64_t> value = any(keys);
    require(value.has_value(), "{}: {} is missing", source_, list_of(keys));
    return *value;
  }

  bool flag(const char* key, bool otherwise) const {
    const json* value = find(key);
    if (value == nullptr) return otherwise;
    require(value->is_boolean(), "{}: '{}' must be true or false, not {}",
            source_, key, shown(*value));
    return value->get<bool>();
  }

  std::string text(const char* key, const std::string& otherwise) const {
    const json* value = find(key);
    if (value == nullptr) return otherwise;
    require(value->is_string(), "{}: '{}' must be a string, not {}", source_,
            key, shown(*value));
    return value->get<std::string>();
  }

  // An array of strings or of integers; nothing where it is absent.
  template <typename T>
  std::vector<T> list(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) return {};
    const bool fits =
        value->is_array() &&
        std::all_of(value->begin(), value->end(), [](const json& item) {
          return std::is_same_v<T, std::string> ? item.is_string()
                                                : item.is_number_unsigned();
        });
    require(fits, "{}: '{}' must be a list of {}, not {}", source_, key,
            std::is_same_v<T, std::string> ? "strings" : "integers",
            shown(*value));
    return value->get<std::vector<T>>();
  }

 private:
  const json* find(const char* key) const {
    const auto at = object_.find(key);
    return at == object_.end() || at->is_null() ? nullptr : &*at;
  }

  static std::string shown(const json& value) {
    return value.dump(-1, ' ', true, json::error_handler_t::replace)
        .substr(0, 40);
  }

  const json& object_;
  const std::string& source_;
};

// DeepSeek's latent attention; it needs no num_kv_heads and no head_dim.
void read_latent(const Keyed& k, Transformer& m) {
  m.latent.q_lora_rank = k.integer("q_lora_rank", 0);
  m.latent.kv_lora_rank = k.needed({"kv_lora_rank"});
  m.latent.qk_nope_head_dim = k.needed({"qk_nope_head_dim"});
  m.latent.qk_rope_head_dim = k.needed({"qk_rope_head_dim"});
  m.latent.v_head_dim = k.needed({"v_head_dim"});
}

// What most families share, under the names of llama.
Transformer read_llama(const Keyed& k) {
  Transformer m;
  m.num_layers = k.needed({"num_hidden_layers"});
  m.model_dim = k.needed({"hidden_size"});
  m.vocab_size = k.needed({"vocab_size"});
  m.num_q_heads = k.needed({"num_attention_heads"});
  m.tie_embeddings = k.flag("tie_word_embeddings", false);
  m.ffn_bias = k.flag("mlp_bias", false);
  if (k.has("kv_lora_rank")) {
    read_latent(k, m);
    return m;
  }
  m.num_kv_heads = k.integer("num_key_value_heads", m.num_q_heads);
  if (const auto head_dim = k.integer("head_dim")) {
    m.head_dim = *head_dim;
  } else {
    require(m.num_q_heads > 0 && m.model_dim % m.num_q_heads == 0,
            "{}: 'head_dim' is missing and 'hidden_size' = {} is no multiple "
            "of 'num_attention_heads' = {}",
            k.source(), m.model_dim, m.num_q_heads);
    m.head_dim = m.model_dim / m.num_q_heads;
  }
  m.qkv_bias = m.attention_output_bias = k.flag("attention_bias", false);
  return m;
}

const Keys kExpertKeys = {"num_local_experts", "num_experts",
                          "n_routed_experts"};

void read_dense_ffn(const Keyed& k, Transformer& m) {
  m.dense_ffn_dim = k.needed({"intermediate_size"});
}

// Layers without experts can only stand at the start.
void read_first_dense_layers(const Keyed& k, Transformer& m) {
  for (const char* key :
       {"decoder_sparse_step", "moe_layer_freq", "interleave_moe_layer_step"}) {
    const int64_t step = k.integer(key, 1);
    require(step == 1,
            "{}: '{}' = {}: experts in only some of the layers are not "
            "supported",
            k.source(), key, step);
  }
  m.first_dense_layers = k.integer("first_k_dense_replace", 0);
  std::vector<int64_t> dense = k.list<int64_t>("mlp_only_layers");
  std::sort(dense.begin(), dense.end());
  for (size_t i = 0; i < dense.size(); ++i) {
    require(dense[i] == static_cast<int64_t>(i),
            "{}: 'mlp_only_layers' has layer {}; only layers at the start are "
            "supported",
            k.source(), dense[i]);
  }
  m.first_dense_layers =
      std::max(m.first_dense_layers, static_cast<int64_t>(dense.size()));
}

void read_experts(const Keyed& k, Transformer& m) {
  m.num_experts = k.needed(kExpertKeys);
  m.num_selected_experts = k.needed(
      {"num_experts_per_tok", "num_experts_per_token", "experts_per_token"});
  m.expert_ffn_dim = k.needed({"moe_intermediate_size", "intermediate_size"});
  read_first_dense_layers(k, m);
  if (m.first_dense_layers > 0) read_dense_ffn(k, m);
  if (const auto width = k.integer("shared_expert_intermediate_size")) {
    m.num_shared_experts = *width > 0 ? 1 : 0;
    m.shared_expert_ffn_dim = *width;
  } else {
    m.num_shared_experts = k.integer("n_shared_experts", 0);
    m.shared_expert_ffn_dim = m.num_shared_experts > 0 ? m.expert_ffn_dim : 0;
  }
}

void read_ffn(const Keyed& k, Transformer& m) {
  const bool experts = k.any(kExpertKeys).value_or(0) > 0;
  experts ? read_experts(k, m) : read_dense_ffn(k, m);
}

// Which layers have the window, from a list of their kinds.
void read_layer_types(const Keyed& k, Transformer& m) {
  const auto types = k.list<std::string>("layer_types");
  if (types.empty()) return;
  require(static_cast<int64_t>(types.size()) == m.num_layers,
          "{}: 'layer_types' has {} entries for {} layers", k.source(),
          types.size(), m.num_layers);
  const auto full = [&](const std::string& type) {
    require(type == "full_attention" || type == "sliding_attention",
            "{}: 'layer_types' has '{}'; only full_attention and "
            "sliding_attention are supported",
            k.source(), type.substr(0, 80));
    return type == "full_attention";
  };
  const auto first = std::find_if(types.begin(), types.end(), full);
  m.full_attention_every = first == types.end() ? 0 : first - types.begin() + 1;
  for (int64_t i = 0; i < m.num_layers; ++i) {
    const bool by_rule =
        m.full_attention_every > 0 && (i + 1) % m.full_attention_every == 0;
    require(full(types[static_cast<size_t>(i)]) == by_rule,
            "{}: 'layer_types' of layer {}: only a full layer after every n-th "
            "is supported, and the first stands at {}",
            k.source(), i + 1, m.full_attention_every);
  }
  if (m.full_attention_every == 1) m.full_attention_every = 0;
}

bool all_full(const Keyed& k) {
  const auto types = k.list<std::string>("layer_types");
  return !types.empty() &&
         std::all_of(types.begin(), types.end(), [](const std::string& type) {
           return type == "full_attention";
         });
}

void read_window(const Keyed& k, Transformer& m) {
  m.sliding_window = k.integer("sliding_window", 0);
  if (!k.flag("use_sliding_window", true) || all_full(k)) m.sliding_window = 0;
  if (m.sliding_window == 0) return;
  read_layer_types(k, m);
  if (k.has("layer_types") || !k.has("max_window_layers")) return;
  const int64_t full_layers = k.integer("max_window_layers", 0);
  if (full_layers >= m.num_layers) m.sliding_window = 0;
  require(full_layers == 0 || full_layers >= m.num_layers,
          "{}: 'max_window_layers' = {} of {} layers: windows in only the last "
          "layers are not supported",
          k.source(), full_layers, m.num_layers);
}

Transformer read_mistral(const Keyed& k) {
  Transformer m = read_llama(k);
  read_ffn(k, m);
  read_window(k, m);
  return m;
}

Transformer read_qwen2(const Keyed& k) {
  Transformer m = read_llama(k);
  read_ffn(k, m);
  read_window(k, m);
  m.qkv_bias = true;
  m.attention_output_bias = false;
  if (!k.flag("use_sliding_window", false)) m.sliding_window = 0;
  if (m.sliding_window == 0) m.full_attention_every = 0;
  m.shared_expert_gate = m.num_shared_experts > 0;
  return m;
}

Transformer read_qwen3(const Keyed& k) {
  Transformer m = read_qwen2(k);
  m.qkv_bias = m.attention_output_bias = k.flag("attention_bias", false);
  m.qk_norm = true;
  return m;
}

// GPT-2's parts: LayerNorm, biases everywhere, two matrices.
void make_gpt(Transformer& m) {
  m.layer_norm = true;
  m.gated_ffn = false;
  m.qkv_bias = m.attention_output_bias = m.ffn_bias = true;
}

Transformer read_gpt2(const Keyed& k) {
  Transformer m;
  m.num_layers = k.needed({"n_layer"});
  m.model_dim = k.needed({"n_embd"});
  m.vocab_size = k.needed({"vocab_size"});
  m.num_q_heads = m.num_kv_heads = k.needed({"n_head"});
  require(m.num_q_heads > 0 && m.model_dim % m.num_q_heads == 0,
          "{}: 'n_embd' = {} must be a multiple of 'n_head' = {}", k.source(),
          m.model_dim, m.num_q_heads);
  m.head_dim = m.model_dim / m.num_q_heads;
  m.dense_ffn_dim = k.integer("n_inner", 4 * m.model_dim);
  m.learned_positions = k.needed({"n_positions", "n_ctx"});
  m.tie_embeddings = k.flag("tie_word_embeddings", true);
  make_gpt(m);
  return m;
}

Transformer read_gpt_neox(const Keyed& k) {
  Transformer m = read_llama(k);
  read_dense_ffn(k, m);
  make_gpt(m);
  m.qkv_bias = m.attention_output_bias = k.flag("attention_bias", true);
  return m;
}

Transformer read_bloom(const Keyed& k) {
  Transformer m;
  m.num_layers = k.needed({"n_layer", "num_hidden_layers"});
  m.model_dim = k.needed({"hidden_size", "n_embed"});
  m.vocab_size = k.needed({"vocab_size"});
  m.num_q_heads = m.num_kv_heads = k.needed({"n_head", "num_attention_heads"});
  require(m.num_q_heads > 0 && m.model_dim % m.num_q_heads == 0,
          "{}: 'hidden_size' = {} must be a multiple of 'n_head' = {}",
          k.source(), m.model_dim, m.num_q_heads);
  m.head_dim = m.model_dim / m.num_q_heads;
  m.dense_ffn_dim = 4 * m.model_dim;
  m.tie_embeddings = k.flag("tie_word_embeddings", true);
  m.embedding_norm = true;
  make_gpt(m);
  return m;
}

Transformer read_deepseek_v3(const Keyed& k) {
  Transformer m = read_llama(k);
  read_ffn(k, m);
  m.router_bias =
      m.has_experts() && k.text("topk_method", "noaux_tc") == "noaux_tc";
  m.num_mtp_layers = k.integer("num_nextn_predict_layers", 0);
  return m;
}

Transformer read_gpt_oss(const Keyed& k) {
  Transformer m = read_llama(k);
  read_ffn(k, m);
  m.sliding_window = k.integer("sliding_window", 128);
  m.full_attention_every = 2;
  if (m.sliding_window > 0) read_layer_types(k, m);
  if (m.sliding_window == 0 || all_full(k)) {
    m.sliding_window = m.full_attention_every = 0;
  }
  m.qkv_bias = m.attention_output_bias = k.flag("attention_bias", true);
  m.ffn_bias = m.router_bias = m.attention_sinks = true;
  return m;
}

Transformer read_grok(const Keyed& k) {
  Transformer m = read_llama(k);
  read_experts(k, m);
  m.norms_per_layer = 4;
  m.dense_beside_experts = k.flag("residual_moe", false);
  if (m.dense_beside_experts) read_dense_ffn(k, m);
  if (!k.has("tie_word_embeddings")) {
    m.tie_embeddings = !m.dense_beside_experts;  // Grok-1 yes, Grok-2 no
  }
  return m;
}

struct Family {
  const char* model_type;
  Transformer (*read)(const Keyed&);
};
constexpr Family kFamilies[] = {
    {"llama", read_mistral},           {"mistral", read_mistral},
    {"mixtral", read_mistral},         {"qwen2", read_qwen2},
    {"qwen2_moe", read_qwen2},         {"qwen3", read_qwen3},
    {"qwen3_moe", read_qwen3},         {"gpt2", read_gpt2},
    {"gpt_neox", read_gpt_neox},       {"bloom", read_bloom},
    {"deepseek_v3", read_deepseek_v3}, {"kimi_k2", read_deepseek_v3},
    {"gpt_oss", read_gpt_oss},         {"grok-1", read_grok},
};

bool is_grok(const Keyed& k) {
  const auto names = k.list<std::string>("architectures");
  return std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name == "Grok1ForCausalLM" || name == "Grok1ModelForCausalLM";
  });
}

// Gemma's gelu_pytorch_tanh is gated, and so is every silu.
bool is_plain_activation(const std::string& name) {
  return name == "gelu" || name == "gelu_new" || name == "gelu_fast" ||
         name == "relu" || name == "relu2" || name == "quick_gelu";
}

Transformer read_unknown(const Keyed& k, const std::string& model_type,
                         std::vector<std::string>& notes) {
  Transformer m = read_llama(k);
  read_ffn(k, m);
  read_window(k, m);
  m.num_mtp_layers = k.integer("num_nextn_predict_layers", 0);
  m.gated_ffn = !is_plain_activation(k.text("hidden_act", "silu"));
  notes.push_back(fmt::format(
      "the architecture '{}' is not known: taken to have {} feed-forwards, two "
      "RMS norms a layer and no biases but those that the file names",
      model_type.substr(0, 80), m.gated_ffn ? "gated" : "plain"));
  return m;
}

LoadedTransformer read_object(const json& root, const std::string& source) {
  require(root.is_object(), "{}: must be an object", source);
  // Models that see or hear keep the decoder's config in a section.
  const auto nested = root.find("text_config");
  const bool inside = nested != root.end() && nested->is_object() &&
                      !root.contains("hidden_size");
  const Keyed keys(inside ? *nested : root, source);
  LoadedTransformer loaded;
  const std::string model_type = keys.text("model_type", "");
  const auto family =
      std::find_if(std::begin(kFamilies), std::end(kFamilies),
                   [&](const Family& f) { return f.model_type == model_type; });
  if (is_grok(keys)) {
    loaded.model = read_grok(keys);
  } else if (family != std::end(kFamilies)) {
    loaded.model = family->read(keys);
  } else {
    loaded.model = read_unknown(keys, model_type, loaded.notes);
  }
  const std::filesystem::path path(source);
  loaded.model.name = path.filename() == "config.json" && path.has_parent_path()
                          ? path.parent_path().filename().string()
                          : path.stem().string();
  return loaded;
}

}  // namespace

LoadedTransformer read_hugging_face(const std::string& text,
                                    const std::string& source) {
  LoadedTransformer loaded =
      read_object(config::parse_strict_json(text, source, kLimits), source);
  validate(loaded.model, source + ": ");
  return loaded;
}

}  // namespace colossus::planner
