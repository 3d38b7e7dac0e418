// `colossus bench checkpoint`: a checkpoint, durable, beside a plain file.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <span>

#include "base/clock.h"
#include "base/file_system.h"
#include "checkpoint/checkpoint_store.h"
#include "cli/bench/bench_context.h"
#include "config/load_config.h"
#include "model/parameters.h"

namespace colossus::cli {
namespace {

// A folder beside what the user named, removed at the end.
class BenchFolder {
 public:
  explicit BenchFolder(const std::string& parent)
      : path_(join_path(parent, fmt::format(".bench-{}", getpid()))) {
    real_file_system().create_directories(path_);
  }
  ~BenchFolder() {
    std::error_code ignored;  // nothing to be done about it here
    std::filesystem::remove_all(path_, ignored);
  }
  BenchFolder(const BenchFolder&) = delete;
  BenchFolder& operator=(const BenchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

double seconds_of_checkpoint(checkpoint::CheckpointStore& store, int64_t step,
                             const tensor::TensorLayout& layout,
                             std::span<const float> values) {
  checkpoint::CheckpointInfo info;
  info.step = step;
  const double begin = real_clock().steady_seconds();
  store.write(info, layout, values, values, values);
  return real_clock().steady_seconds() - begin;
}

double seconds_of_plain_file(const std::string& path, uint64_t bytes,
                             std::span<const float> values) {
  FileSystem& fs = real_file_system();
  const auto all = std::as_bytes(values);
  const double begin = real_clock().steady_seconds();
  const std::unique_ptr<WritableFile> file = fs.create(path);
  for (uint64_t at = 0; at < bytes;) {
    const auto part = std::min<uint64_t>(all.size(), bytes - at);
    file->append(all.first(part));
    at += part;
  }
  file->sync();
  file->close();
  const double seconds = real_clock().steady_seconds() - begin;
  fs.remove_file(path);
  return seconds;
}

}  // namespace

void bench_checkpoint(const BenchContext& context, const std::string& path,
                      const std::string& parent) {
  const config::Config config = config::load_config(path, {}).config;
  const model::ParameterList parameters(config.model);
  const std::vector<float> values(
      static_cast<size_t>(parameters.padded_count(config.run.num_shards)),
      0.123f);
  const BenchFolder folder(parent);
  checkpoint::CheckpointStore store(real_file_system(), folder.path(),
                                    {.keep_last = 1, .keep_every = 0});
  const uint64_t bytes = checkpoint::checkpoint_bytes(parameters.layout());
  std::vector<double> ours, plain;
  for (int i = 0; i < context.num_repeats; ++i) {
    plain.push_back(seconds_of_plain_file(join_path(folder.path(), "plain"),
                                          bytes, values));
    ours.push_back(
        seconds_of_checkpoint(store, i + 1, parameters.layout(), values));
  }
  const double speed = static_cast<double>(bytes) / median(ours);
  const double disk = static_cast<double>(bytes) / median(plain);
  context.report.section("checkpoint", "checkpoints, written and synced");
  context.report.row(std::filesystem::path(path).stem().string(),
                     {{"checkpoint_bytes", static_cast<double>(bytes)},
                      {"bytes_per_second", speed},
                      {"plain_file_bytes_per_second", disk},
                      {"plain_file_share", speed / disk}});
}

}  // namespace colossus::cli
