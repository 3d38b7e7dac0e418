// `colossus bench tokenize`: text to tokens, one encoder a thread.
#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/random.h"
#include "base/thread_pool.h"
#include "cli/bench/bench_context.h"
#include "data/tokenizer.h"
#include "data/tokenizer_trainer.h"

namespace colossus::cli {
namespace {

constexpr int64_t kVocabSize = 4096;
constexpr size_t kTextBytes = size_t{4} << 20;
constexpr size_t kBlock = size_t{64} << 10;

// Words of 2 to 9 letters; the n-th is drawn about as often as 1/n, as in
// text.
std::string made_up_text() {
  constexpr uint64_t kSeed = 1, kNumWords = 20000;
  const auto word = [](uint64_t index) {
    std::string letters;
    const uint64_t length = 2 + random_bits(kSeed, 0, index) % 8;
    for (uint64_t i = 0; i < length; ++i) {
      letters += static_cast<char>('a' + random_bits(kSeed, 1 + index, i) % 26);
    }
    return letters;
  };
  std::string text;
  for (uint64_t i = 0; text.size() < kTextBytes; ++i) {
    const double rank = std::pow(static_cast<double>(kNumWords),
                                 random_uniform(kSeed + 1, 0, i));
    text += word(static_cast<uint64_t>(rank));
    text += i % 16 == 15 ? ".\n" : " ";
  }
  return text;
}

// Seconds to encode `text` with `threads` threads, block by block.
double encode(const data::Tokenizer& tokenizer, std::string_view text,
              int threads) {
  std::vector<data::TokenEncoder> encoders;
  for (int i = 0; i < threads; ++i) encoders.emplace_back(tokenizer);
  std::vector<std::vector<int32_t>> ids(encoders.size());
  const auto blocks = static_cast<int64_t>((text.size() + kBlock - 1) / kBlock);
  ThreadPool pool(threads);
  const double begin = real_clock().steady_seconds();
  pool.run(blocks, [&](int64_t block, int thread) {
    const auto which = static_cast<size_t>(thread);
    ids[which].clear();
    encoders[which].encode(
        text.substr(static_cast<size_t>(block) * kBlock, kBlock), ids[which]);
  });
  return real_clock().steady_seconds() - begin;
}

}  // namespace

void bench_tokenize(const BenchContext& context, const std::string& path) {
  const std::string text = path.empty() ? made_up_text() : read_file(path);
  const data::Tokenizer tokenizer = data::Tokenizer::from_bytes(
      data::train_tokenizer({text}, kVocabSize), "the bench's tokenizer");
  context.report.section("tokenize", "text to tokens");
  std::vector<int> threads = {1};
  if (context.num_threads > 1) threads.push_back(context.num_threads);
  for (const int n : threads) {
    std::vector<double> seconds;
    for (int i = 0; i < context.num_repeats; ++i) {
      seconds.push_back(encode(tokenizer, text, n));
    }
    context.report.row(path.empty() ? "made-up words" : path,
                       {{"threads", static_cast<double>(n)},
                        {"bytes_per_second",
                         static_cast<double>(text.size()) / median(seconds)}});
  }
}

}  // namespace colossus::cli
