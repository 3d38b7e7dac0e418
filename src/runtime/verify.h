// A reference case (tests/conformance/make_reference.py describes the form)
// through the engine that trains: the same model, step and optimizer.
#pragma once

#include <string>
#include <vector>

namespace colossus::kernels {
class Backend;
}

namespace colossus::runtime {

// The relative error of one quantity: |ours - theirs| / |theirs|, 2-norms.
struct Deviation {
  std::string name;  // "logits", "grad/model.norm.weight", "losses"
  double relative_error = 0;
};

struct Verification {
  std::string purpose;
  std::vector<Deviation> deviations;
  double worst() const;
};

// `path` is that of CASE.json, of CASE.safetensors, or of CASE without either.
// Throws UserError or CorruptFile for a case that cannot be read.
Verification verify_case(const std::string& path, kernels::Backend& backend);

}  // namespace colossus::runtime
