// Every message there and back, and everything that the wire may bring instead.
#include "protocol/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "protocol/coordination.pb.h"

namespace colossus::protocol {
namespace {

using testing::HasSubstr;

Hello full_hello() {
  return {.run = {1, 2},
          .machine = 3,
          .memory_id = 0xffffffffffffffff,
          .pid = 4,
          .host = "a-host",
          .numerics = "fma-1"};
}

Difference full_difference() {
  return {.kind = DifferenceKind::kUpdate,
          .view = 10,
          .step = 11,
          .shard = 12,
          .first_rank = 13,
          .second_rank = 14,
          .first_hash = {15, 16},
          .second_hash = {17, 18}};
}

RankSlot full_slot() {
  return {
      .rank = 2,
      .pid = 3,
      .ready = true,
      .dying = true,
      .let_go = 4,
      .view = 5,
      .committed_step = 6,
      .healed = true,
      .saved_view = 7,
      .saved_step = 8,
      .saved_all = true,
      .endpoint = {0x7f000001, 65535},
      .unreachable = 10,
      .shard_us = 9,
      .difference = full_difference(),
      .recomputed = Recomputed{
          .rank = 19, .view = 20, .step = 21, .shard = 22, .hash = {23, 24}}};
}

AgentReport full_report() {
  return {
      .machine = 1,
      .incarnation = 2,
      .sequence = 3,
      .version = 4,
      .number = 5,
      .answered = true,
      .ranks = {RankSlot(), full_slot()},
      .checked = {.view = 6, .step = 7},
      .copies =
          {{.slice = 1, .step = 2, .view = 3, .hash = {4, 5}},
           {.slice = 6, .step = 7, .view = 8, .hash = {9, 10}, .sound = false}},
      .ends = {{.rank = 1,
                .pid = 2,
                .silent_us = 3,
                .how = "rank 1 was ended by signal 9",
                .failed = true}}};
}

RankLines full_lines() {
  return {.rank = 1,
          .lines = {"{\"a\":1}\n", std::string("\0\xff\n", 3), ""},
          .ends = {12, 19, 23}};
}

BegunView full_begun() {
  BegunView begun;
  begun.view = {
      .number = 7,
      .members = {{.rank = 3, .machine = 0},
                  {.rank = 5, .machine = 1, .endpoint = {1, 2}}},
      .placement = {.owner_S = {3, 5}, .backup_S = {5, config::kNoBackup}},
      .start_step = 9,
      .stop = true,
      .reason = "rank 4 was killed"};
  begun.owner_source_S = {0, kFromCheckpoint};
  begun.backup_source_S = {1, 0};
  begun.hash_S = {{1, 2}, {3, 4}};
  begun.verify = true;
  begun.last_step = 100;
  begun.save_and_stop = true;
  return begun;
}

AgentOrders full_orders() {
  return {
      .machine = 1,
      .version = 2,
      .ranks = {3, 5},
      .number = 7,
      .stop_step = 8,
      .verify = true,
      .begun = std::make_shared<BegunView>(full_begun()),
      .recompute =
          RecomputeOrder{.view = 7, .step = 10, .shard = 1, .ranks = {3, 5}},
      .hosting_ranks = 2,
      .over = true,
      .left = true};
}

template <typename Word>
Word from_agent(const Word& word) {
  return std::get<Word>(from_agent_bytes(to_bytes(FromAgent(word))));
}
template <typename Word>
Word to_agent(const Word& word) {
  return std::get<Word>(to_agent_bytes(to_bytes(ToAgent(word))));
}

// --- There and back. ---

TEST(Wire, CarriesAHello) {
  const Hello sent = full_hello(), came = from_agent(sent);
  EXPECT_EQ(came.run, sent.run);
  EXPECT_EQ(came.machine, sent.machine);
  EXPECT_EQ(came.memory_id, sent.memory_id);
  EXPECT_EQ(came.pid, sent.pid);
  EXPECT_EQ(came.host, sent.host);
  EXPECT_EQ(came.numerics, sent.numerics);
  EXPECT_EQ(from_agent(Hello()).machine, kNone);
}

void expect_same(const RankSlot& a, const RankSlot& b) {
  EXPECT_EQ(a.rank, b.rank);
  EXPECT_EQ(a.pid, b.pid);
  EXPECT_EQ(a.ready, b.ready);
  EXPECT_EQ(a.dying, b.dying);
  EXPECT_EQ(a.let_go, b.let_go);
  EXPECT_EQ(a.view, b.view);
  EXPECT_EQ(a.committed_step, b.committed_step);
  EXPECT_EQ(a.healed, b.healed);
  EXPECT_EQ(a.saved_view, b.saved_view);
  EXPECT_EQ(a.saved_step, b.saved_step);
  EXPECT_EQ(a.saved_all, b.saved_all);
  EXPECT_EQ(a.endpoint, b.endpoint);
  EXPECT_EQ(a.unreachable, b.unreachable);
  EXPECT_EQ(a.shard_us, b.shard_us);
  EXPECT_EQ(a.difference, b.difference);
  ASSERT_EQ(a.recomputed.has_value(), b.recomputed.has_value());
  if (!a.recomputed) return;
  EXPECT_EQ(a.recomputed->rank, b.recomputed->rank);
  EXPECT_EQ(a.recomputed->view, b.recomputed->view);
  EXPECT_EQ(a.recomputed->step, b.recomputed->step);
  EXPECT_EQ(a.recomputed->shard, b.recomputed->shard);
  EXPECT_EQ(a.recomputed->hash, b.recomputed->hash);
}

void expect_same(const SliceCopy& a, const SliceCopy& b) {
  EXPECT_EQ(a.slice, b.slice);
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.view, b.view);
  EXPECT_EQ(a.hash, b.hash);
  EXPECT_EQ(a.sound, b.sound);
}

void expect_same(const RankEnd& a, const RankEnd& b) {
  EXPECT_EQ(a.rank, b.rank);
  EXPECT_EQ(a.pid, b.pid);
  EXPECT_EQ(a.silent_us, b.silent_us);
  EXPECT_EQ(a.how, b.how);
  EXPECT_EQ(a.failed, b.failed);
}

template <typename Item>
void expect_all_same(const std::vector<Item>& a, const std::vector<Item>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) expect_same(a[i], b[i]);
}

TEST(Wire, CarriesAReport) {
  const AgentReport sent = full_report(), came = from_agent(sent);
  EXPECT_EQ(came.machine, sent.machine);
  EXPECT_EQ(came.incarnation, sent.incarnation);
  EXPECT_EQ(came.sequence, sent.sequence);
  EXPECT_EQ(came.version, sent.version);
  EXPECT_EQ(came.number, sent.number);
  EXPECT_EQ(came.answered, sent.answered);
  EXPECT_EQ(came.checked, sent.checked);
  expect_all_same(came.ranks, sent.ranks);
  expect_all_same(came.copies, sent.copies);
  expect_all_same(came.ends, sent.ends);
  EXPECT_EQ(came.leaves, sent.leaves);
}

TEST(Wire, CarriesADifferenceOfATransferWhichHasNoFirstRank) {
  AgentReport report = full_report();
  report.ranks[1].difference->kind = DifferenceKind::kTransfer;
  report.ranks[1].difference->first_rank = kNone;
  EXPECT_EQ(from_agent(report).ranks[1].difference, report.ranks[1].difference);
}

TEST(Wire, CarriesLinesOfAnyBytes) {
  const RankLines sent = full_lines(), came = from_agent(sent);
  EXPECT_EQ(came.rank, sent.rank);
  EXPECT_EQ(came.lines, sent.lines);
  EXPECT_EQ(came.ends, sent.ends);
}

TEST(Wire, CarriesAWelcomeAndWhatWasKept) {
  const Welcome welcome = to_agent(Welcome{.machine = 1, .incarnation = 2});
  EXPECT_EQ(welcome.machine, 1);
  EXPECT_EQ(welcome.incarnation, 2);
  const LinesKept kept = to_agent(LinesKept{.rank = 3, .position = 4});
  EXPECT_EQ(kept.rank, 3);
  EXPECT_EQ(kept.position, 4);
}

TEST(Wire, CarriesOrders) {
  const AgentOrders sent = full_orders(), came = to_agent(sent);
  EXPECT_EQ(came.machine, sent.machine);
  EXPECT_EQ(came.version, sent.version);
  EXPECT_EQ(came.ranks, sent.ranks);
  EXPECT_EQ(came.number, sent.number);
  EXPECT_EQ(came.stop_step, sent.stop_step);
  EXPECT_EQ(came.verify, sent.verify);
  EXPECT_EQ(came.recompute, sent.recompute);
  EXPECT_EQ(came.hosting_ranks, sent.hosting_ranks);
  EXPECT_EQ(came.over, sent.over);
  EXPECT_EQ(came.left, sent.left);
  ASSERT_NE(came.begun, nullptr);
  EXPECT_EQ(came.begun->view, sent.begun->view);
  EXPECT_EQ(came.begun->owner_source_S, sent.begun->owner_source_S);
  EXPECT_EQ(came.begun->backup_source_S, sent.begun->backup_source_S);
  EXPECT_EQ(came.begun->hash_S, sent.begun->hash_S);
  EXPECT_EQ(came.begun->verify, sent.begun->verify);
  EXPECT_EQ(came.begun->last_step, sent.begun->last_step);
  EXPECT_EQ(came.begun->save_and_stop, sent.begun->save_and_stop);
}

TEST(Wire, CarriesOrdersWithoutAView) {
  const AgentOrders came = to_agent(AgentOrders());
  EXPECT_EQ(came.begun, nullptr);
  EXPECT_FALSE(came.recompute.has_value());
  EXPECT_EQ(came.stop_step, kAtOnce);
  EXPECT_FALSE(came.over);
  EXPECT_FALSE(came.left);
}

TEST(Wire, CarriesWhatCommandsAsk) {
  v1::ResizeAsked resize;
  encode(ResizeRequest{.ranks = 3, .spares = 2, .reason = "more"}, resize);
  EXPECT_EQ(decode(resize).ranks, 3);
  EXPECT_EQ(decode(resize).spares, 2);
  EXPECT_EQ(decode(resize).reason, "more");
  v1::StopAsked stop;
  encode(StopRequest{.reason = "enough", .at_once = true}, stop);
  EXPECT_EQ(decode(stop).reason, "enough");
  EXPECT_TRUE(decode(stop).at_once);
}

// One text may not cost the report that it stands in.
TEST(Wire, CutsLongTextsAndCarriesThoseThatAreNoUtf8) {
  AgentReport report = full_report();
  std::string& how = report.ends[0].how;
  how = std::string(kMaxTextBytes - 1, 'x') + "\xc3\xa9 and more";
  EXPECT_EQ(from_agent(report).ends[0].how, how.substr(0, kMaxTextBytes));
  how = "\xff\xfe";
  EXPECT_EQ(from_agent(report).ends[0].how, how);
  Hello hello = full_hello();
  hello.host = "h\xf6st";
  EXPECT_EQ(from_agent(hello).host, hello.host);
}

// --- What is out of bounds. ---

template <typename Message>
void expect_refused(const Message& message, const std::string& named) {
  try {
    decode(message);
    ADD_FAILURE() << "took a message with a wrong " << named;
  } catch (const CorruptFile& error) {
    EXPECT_THAT(error.what(), HasSubstr(named));
  }
}

// A change that makes a sound message wrong, and what the error must say.
template <typename Part>
struct Wrong {
  std::string named;
  std::function<void(Part&)> change;
};

constexpr int64_t kHuge = int64_t{1} << 60;

TEST(WireBounds, OfAHello) {
  const std::vector<Wrong<v1::Hello>> wrongs = {
      {"version 2 of the protocol, the coordinator 1",
       [](auto& m) { m.set_protocol_version(kProtocolVersion + 1); }},
      {"version 0", [](auto& m) { m.clear_protocol_version(); }},
      {"a machine", [](auto& m) { m.set_machine(-1); }},
      {"a machine", [](auto& m) { m.set_machine(kHuge); }},
      {"a process", [](auto& m) { m.set_pid(-1); }},
      {"a host's name",
       [](auto& m) { m.set_host(std::string(kMaxTextBytes + 1, 'x')); }},
      {"a numerics version",
       [](auto& m) { m.set_numerics(std::string(kMaxTextBytes + 1, 'x')); }},
  };
  for (const auto& wrong : wrongs) {
    v1::FromAgent message;
    encode(FromAgent(full_hello()), message);
    wrong.change(*message.mutable_hello());
    expect_refused(message, wrong.named);
  }
}

void expect_report_refused(const Wrong<v1::AgentReport>& wrong) {
  v1::FromAgent message;
  encode(FromAgent(full_report()), message);
  wrong.change(*message.mutable_report());
  expect_refused(message, wrong.named);
}

TEST(WireBounds, OfAReport) {
  const std::vector<Wrong<v1::AgentReport>> wrongs = {
      {"a machine", [](auto& m) { m.set_machine(-1); }},
      {"an incarnation", [](auto& m) { m.set_incarnation(-1); }},
      {"a sequence", [](auto& m) { m.set_sequence(kHuge); }},
      {"a version", [](auto& m) { m.set_version(-1); }},
      {"a view's number", [](auto& m) { m.set_number(int64_t{1} << 31); }},
      {"ranks do not ascend", [](auto& m) { m.mutable_ranks(1)->set_rank(0); }},
      {"the number of ranks",
       [](auto& m) {
         for (int64_t i = 0; i < kMaxRanksInMessage; ++i) m.add_ranks();
       }},
      {"a view's number", [](auto& m) { m.mutable_checked()->set_view(-1); }},
      {"a step", [](auto& m) { m.mutable_checked()->set_step(-1); }},
      {"the number of copies",
       [](auto& m) {
         for (int64_t i = 0; i < 4 * kMaxShardsInMessage; ++i) m.add_copies();
       }},
      {"the number of ends",
       [](auto& m) {
         for (int64_t i = 0; i < kMaxRanksInMessage; ++i) m.add_ends();
       }},
  };
  for (const auto& wrong : wrongs) expect_report_refused(wrong);
}

TEST(WireBounds, OfWhatAReportLists) {
  const std::vector<Wrong<v1::AgentReport>> wrongs = {
      {"a slice",
       [](auto& m) { m.mutable_copies(0)->set_slice(kMaxShardsInMessage); }},
      {"a slice", [](auto& m) { m.mutable_copies(0)->set_slice(-1); }},
      {"a step", [](auto& m) { m.mutable_copies(0)->set_step(-1); }},
      {"a view's number", [](auto& m) { m.mutable_copies(0)->set_view(-1); }},
      {"a rank", [](auto& m) { m.mutable_ends(0)->set_rank(-1); }},
      {"a process", [](auto& m) { m.mutable_ends(0)->set_pid(-1); }},
      {"a silence", [](auto& m) { m.mutable_ends(0)->set_silent_us(-1); }},
      {"an end",
       [](auto& m) {
         m.mutable_ends(0)->set_how(std::string(kMaxTextBytes + 1, 'x'));
       }},
  };
  for (const auto& wrong : wrongs) expect_report_refused(wrong);
}

TEST(WireBounds, OfARanksSlot) {
  const std::vector<Wrong<v1::RankSlot>> wrongs = {
      {"a rank", [](auto& m) { m.set_rank(-1); }},
      {"a process", [](auto& m) { m.set_pid(-1); }},
      {"a view's number", [](auto& m) { m.set_let_go(-1); }},
      {"a view's number", [](auto& m) { m.set_view(-1); }},
      {"a step", [](auto& m) { m.set_committed_step(-2); }},
      {"a view's number", [](auto& m) { m.set_saved_view(kHuge); }},
      {"a step", [](auto& m) { m.set_saved_step(kHuge); }},
      {"an endpoint", [](auto& m) { m.set_endpoint(int64_t{1} << 48); }},
      {"an endpoint", [](auto& m) { m.set_endpoint(-1); }},
      {"a rank", [](auto& m) { m.set_unreachable(-2); }},
      {"a shard's time", [](auto& m) { m.set_shard_us(-1); }},
      {"a difference's kind",
       [](auto& m) { m.mutable_difference()->set_kind(3); }},
      {"a difference's kind",
       [](auto& m) { m.mutable_difference()->set_kind(-1); }},
      {"a view's number",
       [](auto& m) { m.mutable_difference()->set_view(-1); }},
      {"a step", [](auto& m) { m.mutable_difference()->set_step(-1); }},
      {"a shard", [](auto& m) { m.mutable_difference()->set_shard(-1); }},
      {"a rank", [](auto& m) { m.mutable_difference()->set_first_rank(-2); }},
      {"a rank", [](auto& m) { m.mutable_difference()->set_second_rank(-1); }},
      {"a rank", [](auto& m) { m.mutable_recomputed()->set_rank(-1); }},
      {"a view's number",
       [](auto& m) { m.mutable_recomputed()->set_view(-1); }},
      {"a step", [](auto& m) { m.mutable_recomputed()->set_step(-1); }},
      {"a shard", [](auto& m) { m.mutable_recomputed()->set_shard(-1); }},
  };
  for (const auto& wrong : wrongs) {
    expect_report_refused(
        {wrong.named, [&](auto& m) { wrong.change(*m.mutable_ranks(1)); }});
  }
}

TEST(WireBounds, OfLines) {
  const std::vector<Wrong<v1::RankLines>> wrongs = {
      {"a rank", [](auto& m) { m.set_rank(-1); }},
      {"a line is too long",
       [](auto& m) { m.set_lines(0, std::string(kMaxLineBytes + 1, 'x')); }},
      {"not as many positions as lines", [](auto& m) { m.add_lines("x"); }},
      {"a position", [](auto& m) { m.set_ends(0, -1); }},
      {"positions do not ascend", [](auto& m) { m.set_ends(1, m.ends(0)); }},
      {"the number of lines",
       [](auto& m) {
         for (int64_t i = 0; i < kMaxLinesInMessage; ++i) m.add_lines();
       }},
  };
  for (const auto& wrong : wrongs) {
    v1::FromAgent message;
    encode(FromAgent(full_lines()), message);
    wrong.change(*message.mutable_lines());
    expect_refused(message, wrong.named);
  }
}

void expect_orders_refused(const Wrong<v1::AgentOrders>& wrong) {
  v1::ToAgent message;
  encode(ToAgent(full_orders()), message);
  wrong.change(*message.mutable_orders());
  expect_refused(message, wrong.named);
}

TEST(WireBounds, OfOrders) {
  const std::vector<Wrong<v1::AgentOrders>> wrongs = {
      {"a machine", [](auto& m) { m.set_machine(-1); }},
      {"a version", [](auto& m) { m.set_version(-1); }},
      {"a view's number", [](auto& m) { m.set_number(-1); }},
      {"a step", [](auto& m) { m.set_stop_step(-2); }},
      {"a rank", [](auto& m) { m.add_ranks(-2); }},
      {"a rank", [](auto& m) { m.set_ranks(0, kNone); }},
      {"a rank",
       [](auto& m) {
         for (int64_t i = 0; i < kMaxRanksInMessage; ++i) m.add_ranks(1);
       }},
      {"the number of ranks", [](auto& m) { m.set_hosting_ranks(0); }},
      {"the number of ranks",
       [](auto& m) { m.set_hosting_ranks(kMaxRanksInMessage + 1); }},
      {"a view's number", [](auto& m) { m.mutable_recompute()->set_view(-1); }},
      {"a step", [](auto& m) { m.mutable_recompute()->set_step(-1); }},
      {"a shard", [](auto& m) { m.mutable_recompute()->set_shard(-1); }},
      {"a rank", [](auto& m) { m.mutable_recompute()->add_ranks(-2); }},
  };
  for (const auto& wrong : wrongs) expect_orders_refused(wrong);
}

TEST(WireBounds, OfAView) {
  const std::vector<Wrong<v1::BegunView>> wrongs = {
      {"a view's number", [](auto& m) { m.set_number(-1); }},
      {"the number of members", [](auto& m) { m.clear_members(); }},
      {"the number of members",
       [](auto& m) {
         for (int64_t i = 0; i < kMaxRanksInMessage; ++i) m.add_members();
       }},
      {"a rank", [](auto& m) { m.mutable_members(0)->set_rank(-1); }},
      {"a machine", [](auto& m) { m.mutable_members(0)->set_machine(-1); }},
      {"not a power of two", [](auto& m) { m.clear_owners(); }},
      {"not a power of two", [](auto& m) { m.add_owners(3); }},
      {"not as many backups as owners", [](auto& m) { m.add_backups(3); }},
      {"an owner is no member", [](auto& m) { m.set_owners(0, 4); }},
      {"an owner is no member", [](auto& m) { m.set_owners(0, -1); }},
      {"a backup is no member", [](auto& m) { m.set_backups(0, 4); }},
      {"a step", [](auto& m) { m.set_start_step(-1); }},
      {"a reason",
       [](auto& m) { m.set_reason(std::string(kMaxTextBytes + 1, 'x')); }},
      {"a source", [](auto& m) { m.set_owner_sources(0, -2); }},
      {"a source", [](auto& m) { m.set_backup_sources(0, -2); }},
      {"do not fit the shards", [](auto& m) { m.add_owner_sources(0); }},
      {"do not fit the shards", [](auto& m) { m.add_backup_sources(0); }},
      {"do not fit the shards", [](auto& m) { m.add_hashes(); }},
      {"a step", [](auto& m) { m.set_last_step(-1); }},
  };
  for (const auto& wrong : wrongs) {
    expect_orders_refused(
        {wrong.named, [&](auto& m) { wrong.change(*m.mutable_begun()); }});
  }
}

TEST(WireBounds, OfTheNumberOfShards) {
  expect_orders_refused({"an owner", [](auto& m) {
                           for (int64_t i = 0; i < kMaxShardsInMessage; ++i) {
                             m.mutable_begun()->add_owners(3);
                           }
                         }});
}

TEST(WireBounds, OfAWelcomeAndOfWhatWasKept) {
  v1::ToAgent message;
  message.mutable_welcome()->set_machine(-1);
  expect_refused(message, "a machine");
  message.mutable_welcome()->set_machine(1);
  message.mutable_welcome()->set_incarnation(-1);
  expect_refused(message, "an incarnation");
  message.mutable_kept()->set_rank(-1);
  expect_refused(message, "a rank");
  message.mutable_kept()->set_rank(1);
  message.mutable_kept()->set_position(-1);
  expect_refused(message, "a position");
}

TEST(WireBounds, OfWhatCommandsAsk) {
  v1::ResizeAsked resize;
  expect_refused(resize, "the number of ranks");
  resize.set_ranks(kMaxRanksInMessage + 1);
  expect_refused(resize, "the number of ranks");
  resize.set_ranks(1);
  resize.set_spares(-1);
  expect_refused(resize, "the number of spares");
  resize.set_spares(0);
  resize.set_reason(std::string(kMaxTextBytes + 1, 'x'));
  expect_refused(resize, "a reason");
  v1::StopAsked stop;
  stop.set_reason(std::string(kMaxTextBytes + 1, 'x'));
  expect_refused(stop, "a reason");
}

// --- What is no message. ---

TEST(WireBytes, ThatAreNoMessageAreRefused) {
  for (const std::string& bytes :
       {std::string(), std::string("\xff\xff\xff\xff"),
        std::string("GET / ")}) {
    EXPECT_THROW(from_agent_bytes(bytes), CorruptFile);
    EXPECT_THROW(to_agent_bytes(bytes), CorruptFile);
  }
  const std::string huge(static_cast<size_t>(kMaxMessageBytes) + 1, '\0');
  EXPECT_THROW(from_agent_bytes(huge), CorruptFile);
}

// Cut anywhere, or with one bit flipped: another message, or none; no crash.
TEST(WireBytes, DamagedAnywhereAreOneErrorAtMost) {
  for (const FromAgent& word :
       {FromAgent(full_hello()), FromAgent(full_report()),
        FromAgent(full_lines())}) {
    const std::string sound = to_bytes(word);
    for (size_t i = 0; i < sound.size(); ++i) {
      try {
        from_agent_bytes(sound.substr(0, i));
      } catch (const CorruptFile&) {
      }
      for (int bit = 0; bit < 8; ++bit) {
        std::string damaged = sound;
        damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
        try {
          to_bytes(from_agent_bytes(damaged));
        } catch (const CorruptFile&) {
        }
      }
    }
  }
}

TEST(WireBytes, WhatALaterVersionAddsIsIgnored) {
  v1::FromAgent message;
  encode(FromAgent(full_lines()), message);
  // Field 1000, a number, inside the newest word.
  std::string inner = message.lines().SerializeAsString();
  inner += std::string("\xc0\x3e\x05", 3);
  std::string outer = "\x1a";
  outer += static_cast<char>(inner.size());
  EXPECT_EQ(std::get<RankLines>(from_agent_bytes(outer + inner)).lines,
            full_lines().lines);
}

}  // namespace
}  // namespace colossus::protocol
