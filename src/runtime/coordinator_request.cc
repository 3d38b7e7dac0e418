#include "runtime/coordinator_request.h"

#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "protocol/client.h"
#include "runtime/run_coordinator.h"

namespace colossus::runtime {
namespace {

// By then a successor may listen elsewhere.
constexpr double kAskSeconds = 2;
constexpr double kLookSeconds = 0.05;

template <typename Request>
bool ask_until_kept(const std::string& run_folder, const Request& request,
                    double seconds, const std::function<bool()>& goes_on) {
  const double deadline = real_clock().steady_seconds() + seconds;
  while (goes_on()) {
    const std::string address = coordinator_address(run_folder);
    if (address.empty()) return false;
    try {
      protocol::ask(address, request, kAskSeconds);
      return true;
    } catch (const RunError&) {
      if (real_clock().steady_seconds() > deadline) throw;
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(kLookSeconds));
  }
  return false;
}

}  // namespace

bool ask_run(const std::string& run_folder,
             const protocol::ResizeRequest& request, double seconds,
             const std::function<bool()>& goes_on) {
  return ask_until_kept(run_folder, request, seconds, goes_on);
}

bool ask_run(const std::string& run_folder,
             const protocol::StopRequest& request, double seconds,
             const std::function<bool()>& goes_on) {
  return ask_until_kept(run_folder, request, seconds, goes_on);
}

}  // namespace colossus::runtime
