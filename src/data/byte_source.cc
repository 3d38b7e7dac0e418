#include "data/byte_source.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace colossus::data {
namespace {

constexpr size_t kBufferBytes = 256 << 10;

class FileSource : public ByteSource {
 public:
  explicit FileSource(const std::string& path)
      : path_(path),
        descriptor_(path == "-" ? STDIN_FILENO
                                : open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) {
      throw user_error("{}: cannot read this file: {}", path,
                       std::strerror(errno));
    }
  }
  ~FileSource() override {
    if (descriptor_ != STDIN_FILENO) close(descriptor_);
  }
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  size_t read(char* out, size_t size) override {
    ssize_t count;
    do {
      count = ::read(descriptor_, out, size);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
      throw run_error("{}: reading failed at byte {}: {}", path_,
                      num_bytes_consumed_, std::strerror(errno));
    }
    num_bytes_consumed_ += static_cast<uint64_t>(count);
    return static_cast<size_t>(count);
  }
  uint64_t num_bytes_consumed() const override { return num_bytes_consumed_; }

 private:
  const std::string path_;
  const int descriptor_;
  uint64_t num_bytes_consumed_ = 0;
};

class MemorySource : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes) {}
  size_t read(char* out, size_t size) override {
    const size_t count = bytes_.copy(out, size, position_);
    position_ += count;
    return count;
  }
  uint64_t num_bytes_consumed() const override { return position_; }

 private:
  const std::string_view bytes_;
  size_t position_ = 0;
};

// What the two decompressors share: a buffer of compressed bytes.
class Decompressor : public ByteSource {
 public:
  Decompressor(std::unique_ptr<ByteSource> source, const std::string& name)
      : name_(name), source_(std::move(source)), buffer_(kBufferBytes) {}
  uint64_t num_bytes_consumed() const override {
    return source_->num_bytes_consumed();
  }

 protected:
  // Makes sure that compressed bytes are there; false at their end.
  bool fill() {
    if (begin_ < end_) return true;
    begin_ = 0;
    end_ = source_->read(buffer_.data(), buffer_.size());
    return end_ > 0;
  }
  std::string_view compressed() const {
    return {buffer_.data() + begin_, end_ - begin_};
  }
  void consume(size_t count) { begin_ += count; }

  [[noreturn]] void fail(const std::string& reason) const {
    throw corrupt_file(
        "{}: {} at byte {} of the compressed file; get a fresh copy of it",
        name_, reason, source_->num_bytes_consumed() - (end_ - begin_));
  }

 private:
  const std::string name_;
  const std::unique_ptr<ByteSource> source_;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

class GzipSource : public Decompressor {
 public:
  GzipSource(std::unique_ptr<ByteSource> source, const std::string& name)
      : Decompressor(std::move(source), name) {
    constexpr int kGzipHeader = 16;
    const int status = inflateInit2(&stream_, MAX_WBITS + kGzipHeader);
    if (status != Z_OK) throw run_error("{}: zlib error {}", name, status);
  }
  ~GzipSource() override { inflateEnd(&stream_); }

  size_t read(char* out, size_t size) override {
    size_t count = 0;
    while (count == 0) {
      if (!fill()) {
        if (inside_member_) fail("gzip data ends early");
        return 0;
      }
      count = inflate_some(out, size);
    }
    return count;
  }

 private:
  size_t inflate_some(char* out, size_t size) {
    const size_t given = compressed().size();
    const size_t room = std::min<size_t>(size, 1 << 30);
    stream_.next_in = reinterpret_cast<Bytef*>(
        const_cast<char*>(compressed().data()));  // zlib only reads it
    stream_.avail_in = static_cast<uInt>(given);
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(room);
    inside_member_ = true;
    const int status = inflate(&stream_, Z_NO_FLUSH);
    consume(given - stream_.avail_in);
    if (status == Z_STREAM_END) {
      inflateReset(&stream_);
      inside_member_ = false;
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      fail(fmt::format("damaged gzip data ({})",
                       stream_.msg != nullptr ? stream_.msg : "no reason"));
    }
    return room - stream_.avail_out;
  }

  z_stream stream_{};
  bool inside_member_ = true;  // an empty file is no gzip file
};

class ZstdSource : public Decompressor {
 public:
  ZstdSource(std::unique_ptr<ByteSource> source, const std::string& name)
      : Decompressor(std::move(source), name), stream_(ZSTD_createDStream()) {
    if (stream_ == nullptr) throw run_error("{}: zstd has no memory", name);
  }
  ~ZstdSource() override { ZSTD_freeDStream(stream_); }
  ZstdSource(const ZstdSource&) = delete;
  ZstdSource& operator=(const ZstdSource&) = delete;

  size_t read(char* out, size_t size) override {
    ZSTD_outBuffer output{out, size, 0};
    while (output.pos == 0) {
      // zstd may hold decoded bytes when its input is used up.
      const bool more = fill();
      if (!more && !inside_frame_) return 0;
      ZSTD_inBuffer input{compressed().data(), compressed().size(), 0};
      const size_t status = ZSTD_decompressStream(stream_, &output, &input);
      consume(input.pos);
      if (ZSTD_isError(status) != 0) {
        fail(fmt::format("damaged zstd data ({})", ZSTD_getErrorName(status)));
      }
      inside_frame_ = status != 0;
      if (!more && output.pos == 0 && inside_frame_) {
        fail("zstd data ends early");
      }
    }
    return output.pos;
  }

 private:
  ZSTD_DStream* const stream_;
  bool inside_frame_ = true;  // an empty file is no zstd file
};

}  // namespace

std::unique_ptr<ByteSource> open_byte_source(const std::string& path) {
  return std::make_unique<FileSource>(path);
}

std::unique_ptr<ByteSource> memory_source(std::string_view bytes) {
  return std::make_unique<MemorySource>(bytes);
}

std::unique_ptr<ByteSource> decompress(std::unique_ptr<ByteSource> compressed,
                                       Compression compression,
                                       const std::string& name) {
  switch (compression) {
    case Compression::kGzip:
      return std::make_unique<GzipSource>(std::move(compressed), name);
    case Compression::kZstd:
      return std::make_unique<ZstdSource>(std::move(compressed), name);
    case Compression::kNone:
      break;
  }
  return compressed;
}

}  // namespace colossus::data
