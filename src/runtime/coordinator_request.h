// What commands ask of a run: of its coordinator, or of whoever succeeds it.
#pragma once

#include <functional>
#include <string>

#include "protocol/messages.h"

namespace colossus::runtime {

// Asks until a coordinator of the run has the wish in its journal; one that
// dies meanwhile has a successor, at another address, which is asked the same.
// False: there is nobody to ask, since the run is at its end, or since
// `goes_on` says that nobody works on it. Throws UserError with a refusal,
// RunError if none answers within `seconds`.
bool ask_run(const std::string& run_folder,
             const protocol::ResizeRequest& request, double seconds,
             const std::function<bool()>& goes_on);
bool ask_run(const std::string& run_folder,
             const protocol::StopRequest& request, double seconds,
             const std::function<bool()>& goes_on);

}  // namespace colossus::runtime
