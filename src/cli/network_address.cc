#include "cli/network_address.h"

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace colossus::cli {
namespace {

bool is_port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size();
}

// By its form alone: a name that merely begins like one may mean any machine.
bool is_loopback(std::string_view host) {
  const bool number =
      host.find_first_not_of("0123456789.") == std::string_view::npos;
  return (host.starts_with("127.") && number) || host == "localhost" ||
         host == "[::1]";
}

}  // namespace

void add_insecure_network_flag(CLI::App& command, bool& insecure_network) {
  command.add_flag(
      "--insecure-network", insecure_network,
      "allow an address beyond this machine: nothing is encrypted and nobody "
      "proves who he is, so anyone who reaches the port can read weights and "
      "stop the run");
}

void check_network_address(const std::string& address, bool insecure_network) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 ||
      !is_port(std::string_view(address).substr(colon + 1))) {
    throw user_error("'{}' is no address; write HOST:PORT, as 127.0.0.1:7000",
                     address);
  }
  if (insecure_network || is_loopback(address.substr(0, colon))) return;
  throw user_error(
      "{} can be reached from other machines, and what is said there is "
      "neither encrypted nor authenticated yet; in a network that you trust, "
      "add --insecure-network",
      address);
}

}  // namespace colossus::cli
