// CRC-32C (Castagnoli; RFC 3720 appendix B.4), which TensorBoard's event files
// require and the journal's lines carry. For small records, not for bulk data.
#pragma once

#include <cstdint>
#include <string_view>

namespace colossus::runtime {

uint32_t crc32c(std::string_view bytes);

}  // namespace colossus::runtime
