// How a model lies over the GPUs of a cluster: the sizes of its parallel groups
// and what goes with them, and every rule that such a layout must keep.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planner/hardware.h"
#include "planner/transformer.h"

namespace colossus::planner {

// What the backward pass computes again instead of keeping it.
enum class Recomputation {
  kNone,
  kSelective,  // attention's scores and weights (arXiv 2205.05198, section 5)
  kFull        // whole layers, from their inputs
};

// GPUs = tensor * pipeline * context * data. Ranks are numbered tensor first,
// then context, data, pipeline: what talks most lies nearest.
struct Layout {
  int64_t tensor = 1;
  int64_t pipeline = 1;
  int64_t virtual_stages = 1;  // model chunks a stage; above 1: interleaved
  int64_t data = 1;
  int64_t expert = 1;  // of the tensor * context * data ranks of a stage
  int64_t context = 1;
  int64_t zero_stage = 0;  // over data * context: 1 optimizer, 2 and gradients,
                           // 3 and weights
  int64_t micro_batch_size = 1;  // sequences
  std::string recomputation = "none";
  bool sequence_parallel = false;  // with tensor: norms cut along the sequence
  // Whether embedding and head count as a layer where layers are dealt out to
  // stages.
  bool embedding_slot = false;
  bool head_slot = false;

  bool operator==(const Layout&) const = default;

  template <typename Visitor>
  void visit_fields(Visitor& v) {
    v.field("tensor", tensor, "ranks that share each matrix");
    v.field("pipeline", pipeline, "stages");
    v.field("virtual_stages", virtual_stages,
            "model chunks a stage, interleaved; 1 = plain 1F1B");
    v.field("data", data, "replicas");
    v.field("expert", expert,
            "ranks that experts are spread over, of a stage's tensor * context "
            "* data");
    v.field("context", context, "ranks that share each sequence");
    v.field("zero_stage", zero_stage,
            "what replicas share: 0 nothing, 1 the optimizer, 2 and gradients, "
            "3 and weights");
    v.field("micro_batch_size", micro_batch_size, "sequences");
    v.field("recomputation", recomputation, "none, selective or full");
    v.field("sequence_parallel", sequence_parallel,
            "tensor ranks cut norms along the sequence");
    v.field("embedding_slot", embedding_slot,
            "the embedding counts as a layer of the first stage");
    v.field("head_slot", head_slot,
            "the head counts as a layer of the last stage");
  }

  int64_t num_ranks() const { return tensor * pipeline * context * data; }
  int64_t num_chunks() const { return pipeline * virtual_stages; }
};

// kNone where the word is none of the three; `violations` names it.
Recomputation recomputation_of(const Layout& layout);

// Sequences of a replica a step over the micro-batch size. The batch divides,
// or `violations` says so.
int64_t num_micro_batches(const Layout& layout, int64_t global_batch_sequences);

// Decoder layers of each chunk, in the model's order: chunk c lies on stage
// c % pipeline. Slots (layers, and embedding or head where they count) are
// dealt out as ceil(slots / chunks) a chunk, the rest to the last one, or,
// where that would leave a chunk without any, as evenly as they go with the
// fuller ones first. A chunk that holds only the embedding or the head has 0
// layers. Empty where there are fewer slots than chunks.
std::vector<int64_t> layers_of_chunks(const Transformer& model,
                                      const Layout& layout);

// The same by stage.
std::vector<int64_t> layers_of_stages(const Transformer& model,
                                      const Layout& layout);

// Lets embedding and head count as layers if only then they divide evenly.
void choose_slots(const Transformer& model, Layout& layout);

// Every rule that the layout breaks, each with its numbers; empty: it can be.
// The model is valid; `seq_len` and the batch are above 0.
std::vector<std::string> violations(const Transformer& model,
                                    const Cluster& cluster,
                                    int64_t global_batch_sequences,
                                    int64_t seq_len, const Layout& layout);

// What can be but is seldom meant.
std::vector<std::string> warnings(const Transformer& model,
                                  const Cluster& cluster, const Layout& layout);

}  // namespace colossus::planner
