#include "cli/network_address.h"

#include <arpa/inet.h>

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

}  // namespace

void add_insecure_network_flag(CLI::App& command, bool& insecure_network) {
  command.add_flag(
      "--insecure-network", insecure_network,
      "allow an address beyond this machine: nothing is encrypted and nobody "
      "proves who he is, so anyone who reaches the port can read weights and "
      "stop the run");
}

void add_host_option(CLI::App& command, std::string& host) {
  command.add_option("--host", host,
                     "IPv4 address at which other machines reach this one's "
                     "ranks");
}

std::string host_of(const std::string& address) {
  const std::string host = address.substr(0, address.rfind(':'));
  return host == "localhost" ? "127.0.0.1" : host;
}

// By its form alone: a name that merely begins like one may mean any machine.
bool is_loopback(const std::string& host) {
  const bool number =
      host.find_first_not_of("0123456789.") == std::string::npos;
  return (host.starts_with("127.") && number) || host == "localhost" ||
         host == "[::1]";
}

void check_host(const std::string& host, bool insecure_network) {
  in_addr address = {};
  if (::inet_pton(AF_INET, host.c_str(), &address) != 1 ||
      address.s_addr == INADDR_ANY) {
    throw user_error(
        "'{}' is no IPv4 address at which other machines reach this one; name "
        "it with --host",
        host);
  }
  check_network_address(host + ":0", insecure_network);
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
