// The messages as bytes, and back. Nothing from the wire is trusted: what is
// out of bounds throws CorruptFile that names the field, and what a message of
// this version does not know is ignored.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "protocol/messages.h"

namespace colossus::v1 {  // generated from coordination.proto
class FromAgent;
class ResizeAsked;
class StopAsked;
class ToAgent;
}  // namespace colossus::v1

namespace colossus::protocol {

// Grows with every change that an older program would misread.
inline constexpr int64_t kProtocolVersion = 1;

// Bounds of what arrives.
inline constexpr int64_t kMaxRanksInMessage = 4096;
inline constexpr int64_t kMaxShardsInMessage = 1 << 16;
inline constexpr int64_t kMaxLinesInMessage = 256;
inline constexpr size_t kMaxLineBytes = 1 << 20;
inline constexpr size_t kMaxTextBytes = 4096;
inline constexpr int kMaxMessageBytes = 16 << 20;

using FromAgent = std::variant<Hello, AgentReport, RankLines>;
using ToAgent = std::variant<Welcome, AgentOrders, LinesKept>;

void encode(const FromAgent& word, v1::FromAgent& out);
FromAgent decode(const v1::FromAgent& in);
void encode(const ToAgent& word, v1::ToAgent& out);
ToAgent decode(const v1::ToAgent& in);

void encode(const ResizeRequest& request, v1::ResizeAsked& out);
ResizeRequest decode(const v1::ResizeAsked& in);
void encode(const StopRequest& request, v1::StopAsked& out);
StopRequest decode(const v1::StopAsked& in);

// The same as bytes, for tests. Bytes that are no message throw CorruptFile.
std::string to_bytes(const FromAgent& word);
FromAgent from_agent_bytes(std::string_view bytes);
std::string to_bytes(const ToAgent& word);
ToAgent to_agent_bytes(std::string_view bytes);

}  // namespace colossus::protocol
