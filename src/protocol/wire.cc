#include "protocol/wire.h"

#include <bit>

#include "base/error.h"
#include "protocol/coordination.pb.h"

namespace colossus::protocol {
namespace {

constexpr int64_t kMaxCount = int64_t{1} << 48;  // of steps, us, bytes
constexpr int64_t kMaxViewNumber = int64_t{1} << 30;

// A number within [least, most].
int64_t bounded(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return value;
  throw corrupt_file("message: {} is {}, not between {} and {}", name, value,
                     least, most);
}

int64_t count_of(const char* name, int64_t value) {
  return bounded(name, value, 0, kMaxCount);
}
int64_t count_or_none(const char* name, int64_t value) {
  return bounded(name, value, kNone, kMaxCount);
}
int64_t view_number(int64_t value) {
  return bounded("a view's number", value, 0, kMaxViewNumber);
}

void require(bool holds, const char* what) {
  if (!holds) throw corrupt_file("message: {}", what);
}

config::Endpoint endpoint_of(int64_t word) {
  require(config::is_endpoint_word(word), "an endpoint is out of bounds");
  return config::endpoint_of(word);
}

std::string text_of(const char* name, const std::string& text) {
  bounded(name, std::ssize(text), 0, kMaxTextBytes);
  return text;
}

std::string cut(const std::string& text) {
  return text.substr(0, kMaxTextBytes);
}

void encode_hash(const Hash128& hash, v1::Hash& out) {
  out.set_high(hash.high);
  out.set_low(hash.low);
}
Hash128 decode_hash(const v1::Hash& in) { return {in.high(), in.low()}; }

template <typename List>
std::vector<int64_t> numbers_of(const char* name, const List& list,
                                int64_t most_numbers) {
  bounded(name, list.size(), 0, most_numbers);
  std::vector<int64_t> numbers;
  for (const int64_t number : list) {
    numbers.push_back(count_or_none(name, number));
  }
  return numbers;
}

std::vector<int64_t> ranks_of(
    const google::protobuf::RepeatedField<int64_t>& list) {
  std::vector<int64_t> ranks = numbers_of("a rank", list, kMaxRanksInMessage);
  for (const int64_t rank : ranks) count_of("a rank", rank);
  return ranks;
}

// Of agents.

void encode_one(const Hello& hello, v1::Hello& out) {
  out.set_protocol_version(kProtocolVersion);
  encode_hash(hello.run, *out.mutable_run());
  out.set_machine(hello.machine + 1);
  out.set_memory_id(hello.memory_id);
  out.set_pid(hello.pid);
  out.set_host(cut(hello.host));
  out.set_numerics(cut(hello.numerics));
}

Hello decode_one(const v1::Hello& in) {
  if (in.protocol_version() != kProtocolVersion) {
    throw corrupt_file(
        "the agent speaks version {} of the protocol, the coordinator {}; use "
        "the same program on all machines",
        in.protocol_version(), kProtocolVersion);
  }
  Hello hello;
  hello.run = decode_hash(in.run());
  hello.machine = count_of("a machine", in.machine()) - 1;
  hello.memory_id = in.memory_id();
  hello.pid = count_of("a process", in.pid());
  hello.host = text_of("a host's name", in.host());
  hello.numerics = text_of("a numerics version", in.numerics());
  return hello;
}

void encode_one(const Difference& difference, v1::Difference& out) {
  out.set_kind(static_cast<int>(difference.kind));
  out.set_view(difference.view);
  out.set_step(difference.step);
  out.set_shard(difference.shard);
  out.set_first_rank(difference.first_rank);
  out.set_second_rank(difference.second_rank);
  encode_hash(difference.first_hash, *out.mutable_first_hash());
  encode_hash(difference.second_hash, *out.mutable_second_hash());
}

Difference decode_one(const v1::Difference& in) {
  Difference difference;
  difference.kind = static_cast<DifferenceKind>(
      bounded("a difference's kind", in.kind(), 0,
              static_cast<int>(DifferenceKind::kTransfer)));
  difference.view = view_number(in.view());
  difference.step = count_of("a step", in.step());
  difference.shard = count_of("a shard", in.shard());
  difference.first_rank = count_or_none("a rank", in.first_rank());
  difference.second_rank = count_of("a rank", in.second_rank());
  difference.first_hash = decode_hash(in.first_hash());
  difference.second_hash = decode_hash(in.second_hash());
  return difference;
}

void encode_one(const Recomputed& answer, v1::Recomputed& out) {
  out.set_rank(answer.rank);
  out.set_view(answer.view);
  out.set_step(answer.step);
  out.set_shard(answer.shard);
  encode_hash(answer.hash, *out.mutable_hash());
}

Recomputed decode_one(const v1::Recomputed& in) {
  return {.rank = count_of("a rank", in.rank()),
          .view = view_number(in.view()),
          .step = count_of("a step", in.step()),
          .shard = count_of("a shard", in.shard()),
          .hash = decode_hash(in.hash())};
}

void encode_one(const RankSlot& slot, v1::RankSlot& out) {
  out.set_rank(slot.rank);
  out.set_ready(slot.ready);
  out.set_dying(slot.dying);
  out.set_let_go(slot.let_go);
  out.set_view(slot.view);
  out.set_committed_step(slot.committed_step);
  out.set_healed(slot.healed);
  out.set_saved_view(slot.saved_view);
  out.set_saved_step(slot.saved_step);
  out.set_shard_us(slot.shard_us);
  if (slot.difference) encode_one(*slot.difference, *out.mutable_difference());
  if (slot.recomputed) encode_one(*slot.recomputed, *out.mutable_recomputed());
  out.set_pid(slot.pid);
  out.set_saved_all(slot.saved_all);
  out.set_endpoint(config::word_of(slot.endpoint));
  out.set_unreachable(slot.unreachable);
}

RankSlot decode_one(const v1::RankSlot& in) {
  RankSlot slot;
  slot.rank = count_of("a rank", in.rank());
  slot.ready = in.ready();
  slot.dying = in.dying();
  slot.let_go = view_number(in.let_go());
  slot.view = view_number(in.view());
  slot.committed_step = count_or_none("a step", in.committed_step());
  slot.healed = in.healed();
  slot.saved_view = view_number(in.saved_view());
  slot.saved_step = count_or_none("a step", in.saved_step());
  slot.shard_us = count_of("a shard's time", in.shard_us());
  if (in.has_difference()) slot.difference = decode_one(in.difference());
  if (in.has_recomputed()) slot.recomputed = decode_one(in.recomputed());
  slot.pid = count_of("a process", in.pid());
  slot.saved_all = in.saved_all();
  slot.endpoint = endpoint_of(in.endpoint());
  slot.unreachable = count_or_none("a rank", in.unreachable());
  return slot;
}

void encode_one(const SliceCopy& copy, v1::SliceCopy& out) {
  out.set_slice(copy.slice);
  out.set_step(copy.step);
  out.set_view(copy.view);
  encode_hash(copy.hash, *out.mutable_hash());
  out.set_sound(copy.sound);
}

SliceCopy decode_one(const v1::SliceCopy& in) {
  return {.slice = bounded("a slice", in.slice(), 0, kMaxShardsInMessage - 1),
          .step = count_of("a step", in.step()),
          .view = view_number(in.view()),
          .hash = decode_hash(in.hash()),
          .sound = in.sound()};
}

void encode_one(const AgentReport& report, v1::AgentReport& out) {
  out.set_machine(report.machine);
  out.set_incarnation(report.incarnation);
  out.set_sequence(report.sequence);
  out.set_version(report.version);
  out.set_number(report.number);
  out.set_answered(report.answered);
  for (const RankSlot& slot : report.ranks) encode_one(slot, *out.add_ranks());
  out.mutable_checked()->set_view(report.checked.view);
  out.mutable_checked()->set_step(report.checked.step);
  for (const SliceCopy& copy : report.copies) {
    encode_one(copy, *out.add_copies());
  }
  for (const RankEnd& end : report.ends) {
    v1::RankEnd& e = *out.add_ends();
    e.set_rank(end.rank);
    e.set_pid(end.pid);
    e.set_silent_us(end.silent_us);
    e.set_how(cut(end.how));
    e.set_failed(end.failed);
  }
  out.set_leaves(report.leaves);
}

AgentReport decode_one(const v1::AgentReport& in) {
  AgentReport report;
  report.machine = count_of("a machine", in.machine());
  report.incarnation = count_of("an incarnation", in.incarnation());
  report.sequence = count_of("a sequence", in.sequence());
  report.version = count_of("a version", in.version());
  report.number = view_number(in.number());
  report.answered = in.answered();
  bounded("the number of ranks", in.ranks_size(), 0, kMaxRanksInMessage);
  for (const v1::RankSlot& slot : in.ranks()) {
    report.ranks.push_back(decode_one(slot));
    const size_t i = report.ranks.size();
    require(i < 2 || report.ranks[i - 2].rank < report.ranks[i - 1].rank,
            "ranks do not ascend");
  }
  report.checked.view = view_number(in.checked().view());
  report.checked.step = count_of("a step", in.checked().step());
  // Owner's and backup's copy, each of two steps.
  bounded("the number of copies", in.copies_size(), 0, 4 * kMaxShardsInMessage);
  for (const v1::SliceCopy& copy : in.copies()) {
    report.copies.push_back(decode_one(copy));
  }
  bounded("the number of ends", in.ends_size(), 0, kMaxRanksInMessage);
  for (const v1::RankEnd& end : in.ends()) {
    report.ends.push_back({.rank = count_of("a rank", end.rank()),
                           .pid = count_of("a process", end.pid()),
                           .silent_us = count_of("a silence", end.silent_us()),
                           .how = text_of("an end", end.how()),
                           .failed = end.failed()});
  }
  report.leaves = in.leaves();
  return report;
}

void encode_one(const RankLines& lines, v1::RankLines& out) {
  out.set_rank(lines.rank);
  for (const std::string& line : lines.lines) out.add_lines(line);
  for (const int64_t end : lines.ends) out.add_ends(end);
}

RankLines decode_one(const v1::RankLines& in) {
  RankLines lines;
  lines.rank = count_of("a rank", in.rank());
  bounded("the number of lines", in.lines_size(), 0, kMaxLinesInMessage);
  for (const std::string& line : in.lines()) {
    require(line.size() <= kMaxLineBytes, "a line is too long");
    lines.lines.push_back(line);
  }
  for (const int64_t end : in.ends()) {
    lines.ends.push_back(count_of("a position", end));
    const size_t i = lines.ends.size();
    require(i < 2 || lines.ends[i - 2] < lines.ends[i - 1],
            "positions do not ascend");
  }
  require(lines.ends.size() == lines.lines.size(),
          "not as many positions as lines");
  return lines;
}

// Of the coordinator.

void encode_one(const Welcome& welcome, v1::Welcome& out) {
  out.set_machine(welcome.machine);
  out.set_incarnation(welcome.incarnation);
}

Welcome decode_one(const v1::Welcome& in) {
  return {.machine = count_of("a machine", in.machine()),
          .incarnation = count_of("an incarnation", in.incarnation())};
}

void encode_one(const BegunView& begun, v1::BegunView& out) {
  const config::View& view = begun.view;
  out.set_number(view.number);
  for (const config::Member& member : view.members) {
    v1::Member& m = *out.add_members();
    m.set_rank(member.rank);
    m.set_machine(member.machine);
    m.set_endpoint(config::word_of(member.endpoint));
  }
  for (const int64_t owner : view.placement.owner_S) out.add_owners(owner);
  for (const int64_t backup : view.placement.backup_S) out.add_backups(backup);
  out.set_start_step(view.start_step);
  out.set_reason(cut(view.reason));
  for (const int64_t m : begun.owner_source_S) out.add_owner_sources(m);
  for (const int64_t m : begun.backup_source_S) out.add_backup_sources(m);
  for (const Hash128& hash : begun.hash_S) encode_hash(hash, *out.add_hashes());
  out.set_verify(begun.verify);
  out.set_last_step(begun.last_step);
  out.set_save_and_stop(begun.save_and_stop);
}

bool is_member(const config::View& view, int64_t rank) {
  for (const config::Member& member : view.members) {
    if (member.rank == rank) return true;
  }
  return false;
}

void check_placement(const config::View& view) {
  const auto& [owner_S, backup_S] = view.placement;
  require(!owner_S.empty() && std::has_single_bit(owner_S.size()),
          "the number of shards is not a power of two");
  require(backup_S.size() == owner_S.size(), "not as many backups as owners");
  for (const int64_t owner : owner_S) {
    require(is_member(view, owner), "an owner is no member of the view");
  }
  for (const int64_t backup : backup_S) {
    require(backup == config::kNoBackup || is_member(view, backup),
            "a backup is no member of the view");
  }
}

BegunView decode_one(const v1::BegunView& in) {
  BegunView begun;
  begun.view.number = view_number(in.number());
  bounded("the number of members", in.members_size(), 1, kMaxRanksInMessage);
  for (const v1::Member& m : in.members()) {
    begun.view.members.push_back({.rank = count_of("a rank", m.rank()),
                                  .machine = count_of("a machine", m.machine()),
                                  .endpoint = endpoint_of(m.endpoint())});
  }
  const int64_t most = kMaxShardsInMessage;
  begun.view.placement.owner_S = numbers_of("an owner", in.owners(), most);
  begun.view.placement.backup_S = numbers_of("a backup", in.backups(), most);
  check_placement(begun.view);
  begun.view.start_step = count_of("a step", in.start_step());
  begun.view.reason = text_of("a reason", in.reason());
  begun.view.stop = in.save_and_stop();
  begun.owner_source_S = numbers_of("a source", in.owner_sources(), most);
  begun.backup_source_S = numbers_of("a source", in.backup_sources(), most);
  bounded("the number of hashes", in.hashes_size(), 0, most);
  for (const v1::Hash& hash : in.hashes()) {
    begun.hash_S.push_back(decode_hash(hash));
  }
  const auto fits = [&](size_t size) {
    return size == 0 || size == begun.view.placement.owner_S.size();
  };
  require(fits(begun.owner_source_S.size()) &&
              fits(begun.backup_source_S.size()) && fits(begun.hash_S.size()),
          "sources or hashes do not fit the shards");
  begun.verify = in.verify();
  begun.last_step = count_of("a step", in.last_step());
  begun.save_and_stop = in.save_and_stop();
  return begun;
}

void encode_one(const AgentOrders& orders, v1::AgentOrders& out) {
  out.set_machine(orders.machine);
  out.set_version(orders.version);
  for (const int64_t rank : orders.ranks) out.add_ranks(rank);
  out.set_number(orders.number);
  out.set_stop_step(orders.stop_step);
  out.set_verify(orders.verify);
  if (orders.begun != nullptr) encode_one(*orders.begun, *out.mutable_begun());
  if (orders.recompute) {
    v1::RecomputeOrder& order = *out.mutable_recompute();
    order.set_view(orders.recompute->view);
    order.set_step(orders.recompute->step);
    order.set_shard(orders.recompute->shard);
    for (const int64_t rank : orders.recompute->ranks) order.add_ranks(rank);
  }
  out.set_hosting_ranks(orders.hosting_ranks);
  out.set_over(orders.over);
  out.set_left(orders.left);
}

AgentOrders decode_one(const v1::AgentOrders& in) {
  AgentOrders orders;
  orders.machine = count_of("a machine", in.machine());
  orders.version = count_of("a version", in.version());
  orders.ranks = ranks_of(in.ranks());
  orders.number = view_number(in.number());
  orders.stop_step = count_or_none("a step", in.stop_step());
  orders.verify = in.verify();
  if (in.has_begun()) {
    orders.begun = std::make_shared<BegunView>(decode_one(in.begun()));
  }
  if (in.has_recompute()) {
    const v1::RecomputeOrder& order = in.recompute();
    orders.recompute =
        RecomputeOrder{.view = view_number(order.view()),
                       .step = count_of("a step", order.step()),
                       .shard = count_of("a shard", order.shard()),
                       .ranks = ranks_of(order.ranks())};
  }
  orders.hosting_ranks =
      bounded("the number of ranks", in.hosting_ranks(), 1, kMaxRanksInMessage);
  orders.over = in.over();
  orders.left = in.left();
  return orders;
}

void encode_one(const LinesKept& kept, v1::LinesKept& out) {
  out.set_rank(kept.rank);
  out.set_position(kept.position);
}

LinesKept decode_one(const v1::LinesKept& in) {
  return {.rank = count_of("a rank", in.rank()),
          .position = count_of("a position", in.position())};
}

void encode_word(const Hello& word, v1::FromAgent& out) {
  encode_one(word, *out.mutable_hello());
}
void encode_word(const AgentReport& word, v1::FromAgent& out) {
  encode_one(word, *out.mutable_report());
}
void encode_word(const RankLines& word, v1::FromAgent& out) {
  encode_one(word, *out.mutable_lines());
}
void encode_word(const Welcome& word, v1::ToAgent& out) {
  encode_one(word, *out.mutable_welcome());
}
void encode_word(const AgentOrders& word, v1::ToAgent& out) {
  encode_one(word, *out.mutable_orders());
}
void encode_word(const LinesKept& word, v1::ToAgent& out) {
  encode_one(word, *out.mutable_kept());
}

template <typename Message>
Message parsed(std::string_view bytes) {
  Message message;
  if (bytes.size() > static_cast<size_t>(kMaxMessageBytes) ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    throw corrupt_file("message: {} bytes that are none", bytes.size());
  }
  return message;
}

template <typename Message, typename Word>
std::string bytes_of(const Word& word) {
  Message message;
  encode(word, message);
  return message.SerializeAsString();
}

}  // namespace

void encode(const FromAgent& word, v1::FromAgent& out) {
  std::visit([&out](const auto& one) { encode_word(one, out); }, word);
}

FromAgent decode(const v1::FromAgent& in) {
  if (in.has_hello()) return decode_one(in.hello());
  if (in.has_report()) return decode_one(in.report());
  if (in.has_lines()) return decode_one(in.lines());
  throw corrupt_file("message: nothing that this version knows");
}

void encode(const ToAgent& word, v1::ToAgent& out) {
  std::visit([&out](const auto& one) { encode_word(one, out); }, word);
}

ToAgent decode(const v1::ToAgent& in) {
  if (in.has_welcome()) return decode_one(in.welcome());
  if (in.has_orders()) return decode_one(in.orders());
  if (in.has_kept()) return decode_one(in.kept());
  throw corrupt_file("message: nothing that this version knows");
}

void encode(const ResizeRequest& request, v1::ResizeAsked& out) {
  out.set_ranks(request.ranks);
  out.set_spares(request.spares);
  out.set_reason(cut(request.reason));
}

ResizeRequest decode(const v1::ResizeAsked& in) {
  return {.ranks =
              bounded("the number of ranks", in.ranks(), 1, kMaxRanksInMessage),
          .spares = bounded("the number of spares", in.spares(), 0,
                            kMaxRanksInMessage),
          .reason = text_of("a reason", in.reason())};
}

void encode(const StopRequest& request, v1::StopAsked& out) {
  out.set_reason(cut(request.reason));
  out.set_at_once(request.at_once);
}

StopRequest decode(const v1::StopAsked& in) {
  return {.reason = text_of("a reason", in.reason()), .at_once = in.at_once()};
}

std::string to_bytes(const FromAgent& word) {
  return bytes_of<v1::FromAgent>(word);
}
FromAgent from_agent_bytes(std::string_view bytes) {
  return decode(parsed<v1::FromAgent>(bytes));
}
std::string to_bytes(const ToAgent& word) {
  return bytes_of<v1::ToAgent>(word);
}
ToAgent to_agent_bytes(std::string_view bytes) {
  return decode(parsed<v1::ToAgent>(bytes));
}

}  // namespace colossus::protocol
