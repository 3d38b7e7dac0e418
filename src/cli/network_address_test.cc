#include "cli/network_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace colossus::cli {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& address) {
  try {
    check_network_address(address, false);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(NetworkAddress, OnThisMachineIsFine) {
  for (const char* address :
       {"127.0.0.1:0", "127.8.9.1:65535", "localhost:7000", "[::1]:7000"}) {
    EXPECT_EQ(refusal(address), "") << address;
  }
}

TEST(NetworkAddress, ThatOthersReachIsForThoseWhoSaySo) {
  for (const char* address :
       {"0.0.0.0:0", "[::]:7000", "10.0.0.7:7000", "host:7000",
        "127.example.org:7000", "localhost.example.org:7000"}) {
    EXPECT_THAT(refusal(address), HasSubstr("add --insecure-network"))
        << address;
    EXPECT_NO_THROW(check_network_address(address, true)) << address;
  }
}

TEST(NetworkAddress, HasAHostAndAPort) {
  for (const char* address :
       {"", "127.0.0.1", ":7000", "127.0.0.1:", "127.0.0.1:http",
        "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:7000 "}) {
    EXPECT_THAT(refusal(address), HasSubstr("write HOST:PORT")) << address;
    EXPECT_THROW(check_network_address(address, true), UserError) << address;
  }
}

}  // namespace
}  // namespace colossus::cli
