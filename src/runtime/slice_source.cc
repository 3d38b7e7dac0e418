#include "runtime/slice_source.h"

#include <optional>

namespace colossus::runtime {

using checkpoint::SliceCopy;
using checkpoint::SliceData;
using distributed::SliceRequest;
using distributed::StoredSlice;

distributed::SliceSource slice_source(const checkpoint::SliceStore& store) {
  return [store](const SliceRequest& request) -> std::optional<StoredSlice> {
    if (request.copy < 0 || request.copy > 1 || request.slice < 0 ||
        request.slice >= store.num_slices()) {
      return std::nullopt;
    }
    const auto copy = static_cast<SliceCopy>(request.copy);
    const auto hash = store.find_hash(copy, request.slice, request.step);
    if (!hash) return std::nullopt;
    const SliceData at = store.data(copy, request.slice, request.step);
    const auto count = static_cast<size_t>(store.slice_count());
    return StoredSlice{{std::span<const float>(at.w, count),
                        std::span<const float>(at.m, count),
                        std::span<const float>(at.v, count)},
                       *hash};
  };
}

}  // namespace colossus::runtime
