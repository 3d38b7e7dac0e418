// gRPC prints what it meets; the program says it in its own words.
#pragma once

#include <grpc/support/log.h>

namespace colossus::protocol {

inline void silence_grpc() {
  gpr_set_log_function([](gpr_log_func_args* /*line*/) {});
}

}  // namespace colossus::protocol
