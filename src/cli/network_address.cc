#include "cli/network_address.h"

#include <CLI/CLI.hpp>

#include "base/error.h"

namespace colossus::cli {

void add_insecure_network_flag(CLI::App& command, bool& insecure_network) {
  command.add_flag(
      "--insecure-network", insecure_network,
      "allow an address beyond this machine: nothing is encrypted and nobody "
      "proves who he is, so anyone who reaches the port can read weights and "
      "stop the run");
}

void check_network_address(const std::string& address, bool insecure_network) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    throw user_error("'{}' is no address; write HOST:PORT, as 127.0.0.1:7000",
                     address);
  }
  const std::string host = address.substr(0, colon);
  const bool loopback =
      host.starts_with("127.") || host == "localhost" || host == "[::1]";
  if (loopback || insecure_network) return;
  throw user_error(
      "{} can be reached from other machines, and what is said there is "
      "neither encrypted nor authenticated yet; in a network that you trust, "
      "add --insecure-network",
      address);
}

}  // namespace colossus::cli
