#include "planner/layout.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "config/rules.h"

namespace colossus::planner {
namespace {

constexpr int64_t kMaxRanks = int64_t{1} << 32;

int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Collects messages of rules that do not hold.
class Rules {
 public:
  Rules(const Transformer& model, const Cluster& cluster, int64_t global_batch,
        int64_t seq_len, const Layout& layout)
      : m_(model),
        c_(cluster),
        batch_(global_batch),
        seq_len_(seq_len),
        l_(layout) {}

  std::vector<std::string> check() {
    check_sizes();
    if (!found_.empty()) return std::move(found_);
    check_ranks();
    check_nodes();
    check_tensor();
    check_pipeline();
    check_batch();
    check_experts();
    check_sequence();
    return std::move(found_);
  }

 private:
  template <typename... Args>
  void require(bool holds, fmt::format_string<Args...> format, Args&&... args) {
    if (!holds) {
      found_.push_back(fmt::format(format, std::forward<Args>(args)...));
    }
  }

  void range(const char* name, int64_t value, int64_t low, int64_t high) {
    require(value >= low && value <= high, "{} = {} must be from {} to {}",
            name, value, low, high);
  }

  void divides(const char* whole_name, int64_t whole, const char* part_name,
               int64_t part) {
    require(whole % part == 0, "{} = {} must be a multiple of {} = {}",
            whole_name, whole, part_name, part);
  }

  // Without these nothing below can be computed.
  void check_sizes() {
    range("tensor", l_.tensor, 1, kMaxRanks);
    range("pipeline", l_.pipeline, 1, kMaxRanks);
    range("virtual_stages", l_.virtual_stages, 1, kMaxRanks);
    range("data", l_.data, 1, kMaxRanks);
    range("expert", l_.expert, 1, kMaxRanks);
    range("context", l_.context, 1, kMaxRanks);
    range("zero_stage", l_.zero_stage, 0, 3);
    range("micro_batch_size", l_.micro_batch_size, 1, kMaxRanks);
    require(l_.recomputation == "none" || l_.recomputation == "selective" ||
                l_.recomputation == "full",
            "recomputation = '{}' must be none, selective or full",
            l_.recomputation);
    const int64_t ranks = config::product_within(
        kMaxRanks, {l_.tensor, l_.pipeline, l_.context, l_.data});
    require(ranks > 0,
            "tensor * pipeline * context * data = {} * {} * {} * {} must be at "
            "most {}",
            l_.tensor, l_.pipeline, l_.context, l_.data, kMaxRanks);
    require(
        config::product_within(kMaxRanks, {l_.pipeline, l_.virtual_stages}) > 0,
        "pipeline * virtual_stages = {} * {} must be at most {}", l_.pipeline,
        l_.virtual_stages, kMaxRanks);
    require(
        config::product_within(INT64_MAX, {l_.data, l_.micro_batch_size}) > 0,
        "data * micro_batch_size = {} * {} is too much", l_.data,
        l_.micro_batch_size);
  }

  void check_ranks() {
    require(l_.num_ranks() == c_.num_devices,
            "tensor * pipeline * context * data = {} * {} * {} * {} = {} must "
            "be the cluster's {} GPUs",
            l_.tensor, l_.pipeline, l_.context, l_.data, l_.num_ranks(),
            c_.num_devices);
  }

  // Groups of neighbours that straddle nodes would not have the links that
  // their size promises.
  void check_nodes() {
    const int64_t node = c_.node.num_devices;
    const auto aligned = [&](const char* name, int64_t group) {
      require(
          group % node == 0 || node % group == 0,
          "{} = {} and the {} GPUs of a node: one must be a multiple of the "
          "other",
          name, group, node);
    };
    if (c_.num_devices <= node) return;
    aligned("tensor", l_.tensor);
    if (l_.context > 1) aligned("tensor * context", l_.tensor * l_.context);
    if (l_.expert > 1) aligned("expert", l_.expert);
  }

  void check_tensor() {
    divides("num_q_heads", m_.num_q_heads, "tensor", l_.tensor);
    if (!m_.has_latent_attention()) {
      // More ranks than heads keep copies of them.
      const int64_t heads = m_.num_kv_heads;
      require(heads % l_.tensor == 0 || l_.tensor % heads == 0,
              "num_kv_heads = {} and tensor = {}: one must be a multiple of "
              "the other",
              heads, l_.tensor);
    }
    const bool dense = m_.num_dense_layers() > 0 || m_.dense_beside_experts;
    if (dense) divides("dense_ffn_dim", m_.dense_ffn_dim, "tensor", l_.tensor);
    if (m_.num_expert_layers() > 0 && m_.num_shared_experts > 0) {
      divides("shared_expert_ffn_dim", m_.shared_expert_ffn_dim, "tensor",
              l_.tensor);
    }
  }

  void check_pipeline() {
    const int64_t slots = m_.num_layers + l_.embedding_slot + l_.head_slot;
    require(slots >= l_.num_chunks(),
            "pipeline * virtual_stages = {} * {} = {} chunks are more than the "
            "{} layers{}",
            l_.pipeline, l_.virtual_stages, l_.num_chunks(), slots,
            slots > m_.num_layers ? " (embedding or head counted as one)" : "");
    require(l_.virtual_stages == 1 || l_.pipeline > 1,
            "virtual_stages = {} needs pipeline above 1", l_.virtual_stages);
  }

  void check_batch() {
    const int64_t pass = l_.data * l_.micro_batch_size;
    require(batch_ % pass == 0,
            "the global batch of {} sequences must be a multiple of data * "
            "micro_batch_size = {} * {} = {}",
            batch_, l_.data, l_.micro_batch_size, pass);
    if (l_.virtual_stages == 1 || batch_ % pass != 0) return;
    require(batch_ / pass >= l_.pipeline,
            "virtual_stages = {}: the {} micro-batches of a step must be at "
            "least pipeline = {}",
            l_.virtual_stages, batch_ / pass, l_.pipeline);
  }

  void check_experts() {
    if (!m_.has_experts()) {
      require(l_.expert == 1, "expert = {} must be 1: the model has no experts",
              l_.expert);
      return;
    }
    divides("num_experts", m_.num_experts, "expert", l_.expert);
    const int64_t ranks = l_.tensor * l_.context * l_.data;
    require(ranks % l_.expert == 0,
            "tensor * context * data = {} * {} * {} = {} must be a multiple of "
            "expert = {}",
            l_.tensor, l_.context, l_.data, ranks, l_.expert);
    // Without expert ranks, tensor ranks share each expert.
    if (l_.expert == 1) {
      divides("expert_ffn_dim", m_.expert_ffn_dim, "tensor", l_.tensor);
    }
  }

  // A causal sequence is dealt out in pairs of pieces, one early and one late,
  // so that all context ranks have the same work.
  void check_sequence() {
    const int64_t pieces = l_.context > 1 ? 2 * l_.context : 1;
    require(seq_len_ % pieces == 0,
            "seq_len = {} must be a multiple of 2 * context = 2 * {}", seq_len_,
            l_.context);
    if (l_.sequence_parallel) {
      require(seq_len_ % (l_.context * l_.tensor) == 0,
              "sequence_parallel: seq_len = {} must be a multiple of context * "
              "tensor = {} * {}",
              seq_len_, l_.context, l_.tensor);
    }
    require(m_.learned_positions == 0 || seq_len_ <= m_.learned_positions,
            "seq_len = {} is beyond the model's table of {} positions",
            seq_len_, m_.learned_positions);
  }

  const Transformer& m_;
  const Cluster& c_;
  int64_t batch_;
  int64_t seq_len_;
  const Layout& l_;
  std::vector<std::string> found_;
};

// Slots of each chunk.
std::vector<int64_t> deal(int64_t slots, int64_t chunks) {
  std::vector<int64_t> dealt(static_cast<size_t>(chunks));
  const int64_t full = ceil_divide(slots, chunks);
  const int64_t rest = slots - full * (chunks - 1);
  if (rest >= 1) {
    std::fill(dealt.begin(), dealt.end(), full);
    dealt.back() = rest;
    return dealt;
  }
  for (int64_t i = 0; i < chunks; ++i) {
    dealt[static_cast<size_t>(i)] =
        slots / chunks + (i < slots % chunks ? 1 : 0);
  }
  return dealt;
}

}  // namespace

Recomputation recomputation_of(const Layout& layout) {
  if (layout.recomputation == "full") return Recomputation::kFull;
  if (layout.recomputation == "selective") return Recomputation::kSelective;
  return Recomputation::kNone;
}

int64_t num_micro_batches(const Layout& layout,
                          int64_t global_batch_sequences) {
  return global_batch_sequences / (layout.data * layout.micro_batch_size);
}

std::vector<int64_t> layers_of_chunks(const Transformer& model,
                                      const Layout& layout) {
  const int64_t slots =
      model.num_layers + layout.embedding_slot + layout.head_slot;
  if (slots < layout.num_chunks()) return {};
  std::vector<int64_t> layers = deal(slots, layout.num_chunks());
  layers.front() -= layout.embedding_slot;
  layers.back() -= layout.head_slot;
  return layers;
}

std::vector<int64_t> layers_of_stages(const Transformer& model,
                                      const Layout& layout) {
  const std::vector<int64_t> chunks = layers_of_chunks(model, layout);
  std::vector<int64_t> stages(
      chunks.empty() ? 0 : static_cast<size_t>(layout.pipeline));
  for (size_t c = 0; c < chunks.size(); ++c) {
    stages[c % stages.size()] += chunks[c];
  }
  return stages;
}

void choose_slots(const Transformer& model, Layout& layout) {
  const int64_t layers = model.num_layers, chunks = layout.num_chunks();
  const bool both = layers % chunks != 0 && (layers + 2) % chunks == 0;
  layout.embedding_slot = layout.head_slot = both;
}

std::vector<std::string> violations(const Transformer& model,
                                    const Cluster& cluster,
                                    int64_t global_batch_sequences,
                                    int64_t seq_len, const Layout& layout) {
  return Rules(model, cluster, global_batch_sequences, seq_len, layout).check();
}

std::vector<std::string> warnings(const Transformer& model,
                                  const Cluster& cluster,
                                  const Layout& layout) {
  std::vector<std::string> found;
  const int64_t domain = std::max<int64_t>(cluster.device.nvlink_domain, 1);
  if (layout.tensor > domain) {
    found.push_back(
        fmt::format("tensor = {} reaches beyond the {} GPUs that NVLink joins",
                    layout.tensor, domain));
  }
  if (layout.sequence_parallel && layout.tensor == 1) {
    found.emplace_back("sequence_parallel does nothing with tensor = 1");
  }
  const std::vector<int64_t> stages = layers_of_stages(model, layout);
  if (!stages.empty()) {
    const auto [least, most] =
        std::minmax_element(stages.begin(), stages.end());
    if (*most > 2 * *least && *most > *least + 2) {
      found.push_back(fmt::format(
          "stages have from {} to {} layers; all wait for the fullest", *least,
          *most));
    }
  }
  return found;
}

}  // namespace colossus::planner
