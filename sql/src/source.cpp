#include "source.hpp"

#include <utility>

namespace spanring::sql {

std::int64_t RowNumbers::first_of(const store::BatchPlace& batch) {
    const auto next = static_cast<std::int64_t>(batches_.size() * codec::kBatchSpansLimit);
    return batches_.try_emplace(batch, next).first->second;
}

std::size_t RowNumbers::Hash::operator()(const store::BatchPlace& place) const noexcept {
    const std::uint64_t all = place.offset * 2 + (place.compacted ? 1 : 0);
    return static_cast<std::size_t>((all * 0x9e3779b97f4a7c15ull) ^ (place.window << 32) ^
                                    place.index);
}

Result<std::shared_ptr<Source>> Source::open(const std::string& path) {
    auto reader = store::Reader::open(path);
    if (!reader) return std::move(reader).error();
    auto source = std::make_shared<Source>();
    source->reader = std::move(*reader);
    return source;
}

Result<void> Source::open_cursor() {
    if (refreshes_itself && open_cursors == 0)
        if (auto read = reader->refresh(); !read) return read;
    ++open_cursors;
    return {};
}

}  // namespace spanring::sql
