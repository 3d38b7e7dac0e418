#include "checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "checkpoint/safetensors_header.h"

namespace colossus::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little,
              "safetensors data is little-endian and is used in place");

struct DtypeInfo {
  Dtype dtype;
  std::string_view name;
  uint64_t bytes;
};

// In the order of the enum.
constexpr std::array<DtypeInfo, 15> kDtypes = {{
    {Dtype::kBool, "BOOL", 1},
    {Dtype::kU8, "U8", 1},
    {Dtype::kI8, "I8", 1},
    {Dtype::kF8E4M3, "F8_E4M3", 1},
    {Dtype::kF8E5M2, "F8_E5M2", 1},
    {Dtype::kI16, "I16", 2},
    {Dtype::kU16, "U16", 2},
    {Dtype::kF16, "F16", 2},
    {Dtype::kBF16, "BF16", 2},
    {Dtype::kI32, "I32", 4},
    {Dtype::kU32, "U32", 4},
    {Dtype::kF32, "F32", 4},
    {Dtype::kI64, "I64", 8},
    {Dtype::kU64, "U64", 8},
    {Dtype::kF64, "F64", 8},
}};

std::optional<Dtype> parse_dtype(const std::string& name) {
  for (const DtypeInfo& info : kDtypes) {
    if (info.name == name) return info.dtype;
  }
  return std::nullopt;
}

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit

uint64_t read_header_bytes(std::span<const std::byte> file,
                           const std::string& source) {
  if (file.size() < kLengthBytes) {
    throw corrupt_file("'{}': {} bytes is too short for a safetensors file",
                       source, file.size());
  }
  uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  const uint64_t limit =
      std::min<uint64_t>(kMaxHeaderBytes, file.size() - kLengthBytes);
  if (length > limit) {
    throw corrupt_file(
        "'{}': at offset 0 its header claims {} bytes; at most {} are possible",
        source, length, limit);
  }
  return length;
}

// The bytes that a tensor of this shape takes; nullopt past 2^62.
std::optional<uint64_t> bytes_of_shape(Dtype dtype,
                                       const std::vector<uint64_t>& shape) {
  constexpr uint64_t kLimit = uint64_t{1} << 62;
  uint64_t total = dtype_bytes(dtype);
  for (const uint64_t length : shape) {
    if (length > kLimit) return std::nullopt;
    if (length != 0 && total > kLimit / length) return std::nullopt;
    total *= length;
  }
  return total;
}

// Checks one tensor that must start at `expected_begin` of the data.
StoredTensor place_tensor(const TensorHeader& header, uint64_t expected_begin,
                          uint64_t data_offset, std::span<const std::byte> data,
                          const std::string& source) {
  const uint64_t begin = header.data_offsets[0], end = header.data_offsets[1];
  const auto fail = [&](const std::string& what) {
    return corrupt_file("'{}': tensor '{}' (data at offset {}): {}", source,
                        header.name, data_offset + expected_begin, what);
  };
  const std::optional<Dtype> dtype = parse_dtype(header.dtype);
  if (!dtype) throw fail(fmt::format("unknown dtype '{}'", header.dtype));
  if (begin != expected_begin) {
    throw fail(fmt::format("starts at {} of the data where {} is next", begin,
                           expected_begin));
  }
  if (end < begin || end > data.size()) {
    throw fail(fmt::format("ends at {} of the data, which has {} bytes", end,
                           data.size()));
  }
  const std::optional<uint64_t> bytes = bytes_of_shape(*dtype, header.shape);
  if (bytes != end - begin) {
    throw fail(fmt::format(
        "{} bytes for {} {}", end - begin, header.dtype,
        fmt::format("of {} dimensions, which take {}", header.shape.size(),
                    bytes ? std::to_string(*bytes) : "more than 2^62")));
  }
  return {header.name, *dtype,
          std::vector<int64_t>(header.shape.begin(), header.shape.end()),
          data_offset + begin, data.subspan(begin, end - begin)};
}

template <typename T>
T load(const StoredTensor& tensor, int64_t index) {
  T value;
  std::memcpy(&value,
              tensor.bytes.data() + static_cast<size_t>(index) * sizeof(T),
              sizeof(T));
  return value;
}

double half_as_double(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int fraction = bits & 1023;
  const double sign = (bits & 0x8000) ? -1 : 1;
  if (exponent == 31) return fraction ? std::nan("") : sign * HUGE_VAL;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

double brain_as_double(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

}  // namespace

std::string_view dtype_name(Dtype dtype) {
  return kDtypes[static_cast<size_t>(dtype)].name;
}

uint64_t dtype_bytes(Dtype dtype) {
  return kDtypes[static_cast<size_t>(dtype)].bytes;
}

Safetensors::Safetensors(std::span<const std::byte> file,
                         const std::string& source)
    : source_(source) {
  const uint64_t header_bytes = read_header_bytes(file, source);
  const std::string_view text(
      reinterpret_cast<const char*>(file.data()) + kLengthBytes, header_bytes);
  SafetensorsHeader header = parse_safetensors_header(text, source);
  metadata_ = std::move(header.metadata);
  const uint64_t data_offset = kLengthBytes + header_bytes;
  const std::span<const std::byte> data = file.subspan(data_offset);
  // Tensors without elements share their start with the next one: by end too.
  std::sort(header.tensors.begin(), header.tensors.end(),
            [](const TensorHeader& a, const TensorHeader& b) {
              return a.data_offsets < b.data_offsets;
            });
  uint64_t next = 0;
  for (const TensorHeader& tensor : header.tensors) {
    tensors_.push_back(place_tensor(tensor, next, data_offset, data, source));
    next = tensor.data_offsets[1];
    index_[tensor.name] = tensors_.size() - 1;
  }
  if (next != data.size()) {
    throw corrupt_file("'{}': {} bytes at offset {} belong to no tensor",
                       source, data.size() - next, data_offset + next);
  }
}

const StoredTensor* Safetensors::find(const std::string& name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : &tensors_[it->second];
}

const StoredTensor& Safetensors::get(const std::string& name) const {
  const StoredTensor* tensor = find(name);
  if (tensor == nullptr) {
    throw corrupt_file("'{}': it has no tensor '{}'", source_, name);
  }
  return *tensor;
}

double element_as_double(const StoredTensor& tensor, int64_t index) {
  COLOSSUS_CHECK(index >= 0 && index < tensor.num_elements(),
                 "element {} of {}", index, tensor.num_elements());
  switch (tensor.dtype) {
    case Dtype::kBool:
    case Dtype::kU8:
      return load<uint8_t>(tensor, index);
    case Dtype::kI8:
      return load<int8_t>(tensor, index);
    case Dtype::kI16:
      return load<int16_t>(tensor, index);
    case Dtype::kU16:
      return load<uint16_t>(tensor, index);
    case Dtype::kF16:
      return half_as_double(load<uint16_t>(tensor, index));
    case Dtype::kBF16:
      return brain_as_double(load<uint16_t>(tensor, index));
    case Dtype::kI32:
      return load<int32_t>(tensor, index);
    case Dtype::kU32:
      return load<uint32_t>(tensor, index);
    case Dtype::kF32:
      return load<float>(tensor, index);
    case Dtype::kI64:
      return static_cast<double>(load<int64_t>(tensor, index));
    case Dtype::kU64:
      return static_cast<double>(load<uint64_t>(tensor, index));
    case Dtype::kF64:
      return load<double>(tensor, index);
    case Dtype::kF8E4M3:
    case Dtype::kF8E5M2:
      break;
  }
  throw user_error("tensor '{}' is {}, which cannot be read; convert it first",
                   tensor.name, dtype_name(tensor.dtype));
}

std::vector<double> read_as_doubles(const StoredTensor& tensor) {
  std::vector<double> values(static_cast<size_t>(tensor.num_elements()));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = element_as_double(tensor, static_cast<int64_t>(i));
  }
  return values;
}

void copy_f32(const StoredTensor& tensor, std::span<float> out) {
  COLOSSUS_CHECK(
      tensor.dtype == Dtype::kF32 && tensor.bytes.size() == out.size_bytes(),
      "'{}' is {} of {} bytes, wanted {} of F32", tensor.name,
      dtype_name(tensor.dtype), tensor.bytes.size(), out.size_bytes());
  if (!out.empty()) {
    std::memcpy(out.data(), tensor.bytes.data(), out.size_bytes());
  }
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t length : shape) {
    text += (text.empty() ? "" : ", ") + std::to_string(length);
  }
  return "[" + text + "]";
}

}  // namespace colossus::checkpoint
