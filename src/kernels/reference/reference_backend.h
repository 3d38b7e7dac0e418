// Every operation as its header's formula says it, in plain loops that sum in
// double: slow, short, and what the fast backends are tested against.
#pragma once

#include <memory>

#include "kernels/backend.h"

namespace colossus::kernels {

std::unique_ptr<Backend> make_reference_backend();

}  // namespace colossus::kernels
