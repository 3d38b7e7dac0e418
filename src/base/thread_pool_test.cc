#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>
#include <vector>

#include "base/pulse.h"

namespace colossus {
namespace {

TEST(ThreadPool, RunsEachPieceOnceForAnyNumberOfThreads) {
  for (const int num_threads : {1, 2, 3, 8}) {
    ThreadPool pool(num_threads);
    for (const int64_t num_pieces : {0, 1, 2, 7, 1000}) {
      std::vector<int> times(static_cast<size_t>(num_pieces));
      std::atomic<bool> threads_in_range = true;
      pool.run(num_pieces, [&](int64_t piece, int thread) {
        ++times[static_cast<size_t>(piece)];
        if (thread < 0 || thread >= num_threads) threads_in_range = false;
      });
      EXPECT_EQ(times, std::vector<int>(times.size(), 1));
      EXPECT_TRUE(threads_in_range);
    }
  }
}

TEST(ThreadPool, AJobSeesWhatTheJobBeforeWrote) {
  ThreadPool pool(3);
  std::vector<int64_t> a(64), b(64);
  for (int64_t round = 1; round <= 200; ++round) {
    pool.run(64, [&](int64_t i, int) { a[static_cast<size_t>(i)] += 1; });
    pool.run(64, [&](int64_t i, int) {
      b[static_cast<size_t>(i)] = a[static_cast<size_t>(63 - i)];
    });
    ASSERT_EQ(b, std::vector<int64_t>(64, round));
  }
}

TEST(ThreadPool, APieceOfEachThreadRunsAtTheSameTime) {
  ThreadPool pool(3);
  std::atomic<int> arrived = 0;
  // Each piece waits for the others: with fewer threads this would not end.
  pool.run(3, [&](int64_t, int) {
    ++arrived;
    while (arrived < 3) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 3);
}

TEST(ThreadPool, EndsWithoutEverHavingRun) {
  for (int i = 0; i < 20; ++i) ThreadPool pool(4);
}

TEST(ThreadPool, EveryThreadFlushesDenormals) {
  ThreadPool pool(3);
  std::atomic<int> arrived = 0;
  std::vector<float> results(3, 1.0f), from_input(3, 1.0f);
  pool.run(3, [&](int64_t piece, int thread) {
    volatile float smallest = std::numeric_limits<float>::min();
    volatile float denormal = std::numeric_limits<float>::denorm_min();
    volatile float large = 1e30f;
    results[static_cast<size_t>(thread)] = smallest * 0.5f;
    from_input[static_cast<size_t>(piece)] = denormal * large;
    ++arrived;
    while (arrived < 3) std::this_thread::yield();
  });
  EXPECT_EQ(results, std::vector<float>(3, 0.0f));
  EXPECT_EQ(from_input, std::vector<float>(3, 0.0f));
}

TEST(ThreadPool, BeatsOnceAPiece) {
  for (const int num_threads : {1, 3}) {
    std::atomic<uint64_t> beats = 0, order = 7;
    Pulse pulse(beats, order, 7);
    ThreadPool pool(num_threads);
    pool.set_pulse(&pulse);
    pool.run(100, [](int64_t, int) {});
    EXPECT_EQ(beats, 100u);
  }
}

TEST(ThreadPool, LeavesTheRestOnceInterruptedAndGoesOnAfterwards) {
  for (const int num_threads : {1, 3}) {
    std::atomic<uint64_t> beats = 0, order = 7;
    std::atomic<int> pieces = 0;
    Pulse pulse(beats, order, 7);
    ThreadPool pool(num_threads);
    pool.set_pulse(&pulse);
    EXPECT_THROW(pool.run(1000,
                          [&](int64_t, int) {
                            ++pieces;
                            order = 8;
                          }),
                 Interrupted);
    EXPECT_LE(pieces, num_threads);
    order = 7;
    pieces = 0;
    pool.run(1000, [&](int64_t, int) { ++pieces; });
    EXPECT_EQ(pieces, 1000);
  }
}

}  // namespace
}  // namespace colossus
