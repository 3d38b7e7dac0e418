#include "cli/network_address.h"

#include <arpa/inet.h>

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

void add_host_option(CLI::App& command, std::string& host) {
  command.add_option("--host", host,
                     "IPv4 address at which other machines reach this one's "
                     "ranks");
}

std::string host_of(const std::string& address) {
  const std::string host = address.substr(0, address.rfind(':'));
  return host == "localhost" ? "127.0.0.1" : host;
}

bool is_loopback(const std::string& host) {
  return host.starts_with("127.") || host == "localhost" || host == "[::1]";
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
  if (colon == std::string::npos || colon == 0) {
    throw user_error("'{}' is no address; write HOST:PORT, as 127.0.0.1:7000",
                     address);
  }
  if (is_loopback(address.substr(0, colon)) || insecure_network) return;
  throw user_error(
      "{} can be reached from other machines, and what is said there is "
      "neither encrypted nor authenticated yet; in a network that you trust, "
      "add --insecure-network",
      address);
}

}  // namespace colossus::cli
