// The shape of a model from the config.json beside its weights, as Hugging
// Face's transformers writes it.
//
// Known by their `model_type`: llama, mistral, mixtral, qwen2, qwen2_moe,
// qwen3, qwen3_moe, gpt2, gpt_neox, bloom, deepseek_v3, kimi_k2, gpt_oss,
// grok-1 and Grok-2 ("git"). Any other is read by the keys that most share, if
// they are all there; `notes` then says what was taken for granted. A key that
// changes the shape in a way that Transformer cannot hold is refused.
#pragma once

#include <string>

#include "planner/transformer.h"

namespace colossus::planner {

// `source` is the text's path in messages. The model gets the file's name, or
// its folder's where that is config.json. Throws UserError.
LoadedTransformer read_hugging_face(const std::string& text,
                                    const std::string& source);

}  // namespace colossus::planner
