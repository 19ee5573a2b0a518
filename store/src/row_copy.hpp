// Copies rows from one batch into another, whose strings, resources, scopes and instances have
// other numbers. Used where spans are carried over: the fold of open spans. Threads: as the
// batches.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "spanring/base/result.hpp"
#include "spanring/codec/batch.hpp"

namespace spanring::store {

class RowCopier {
public:
    /// Both must outlive the copier; `from` must not change meanwhile.
    RowCopier(const codec::Batch& from, codec::Batch& to);

    /// Returns the row in terms of `to`, without adding it; its details are appended to
    /// `to.details`, behind a copy of `details_before` (which borrows from `to.details`).
    /// Errors: kCorrupt if a reference leads nowhere or the details do not parse.
    [[nodiscard]] Result<codec::Row> copy(const codec::Row& row,
                                          std::size_t details_before_offset = 0,
                                          std::size_t details_before_bytes = 0);

private:
    [[nodiscard]] std::optional<codec::StringId> string(codec::StringId id);
    [[nodiscard]] Result<std::vector<std::byte>> details(std::span<const std::byte> records);
    [[nodiscard]] Result<codec::ResourceId> resource(codec::ResourceId id);

    const codec::Batch& from_;
    codec::Batch& to_;
    std::vector<std::optional<codec::StringId>> strings_;
    std::vector<std::optional<codec::ResourceId>> resources_;
};

}  // namespace spanring::store
