// The interned strings of a segment: append-only in shared memory, found through a private table.

#include <cstring>
#include <mutex>

#include "segment_plan.hpp"
#include "spanring/base/testpoint.hpp"
#include "spanring/shm/segment_writer.hpp"

namespace spanring::shm {
namespace {

/// Space for strings is reserved this much at a time: some hundred names.
constexpr std::uint64_t kStringChunkBytes = 16384;

/// FNV-1a, folded: names are short, and the table is at most half full.
std::uint64_t hash_of(std::string_view text) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return hash ^ (hash >> 32);
}

constexpr std::uint64_t table_entry(std::uint64_t hash, std::uint32_t id) noexcept {
    return (hash << 32) | id;
}

/// A table of strings in some mapping of this process, with the bounds that it must keep.
struct StringTable {
    const std::byte* base;
    std::uint64_t index_offset;
    std::uint64_t data_offset;
    std::uint64_t data_bytes;

    [[nodiscard]] std::string_view at(std::uint32_t id) const noexcept {
        const auto* index = reinterpret_cast<const std::uint32_t*>(base + index_offset);
        // relaxed: whoever got hold of `id` has acquired strings_count or the private table.
        const std::uint64_t offset = RealAtomics::load(index[id], std::memory_order_relaxed);
        if (offset + sizeof(std::uint32_t) > data_bytes) return {};
        std::uint32_t bytes;
        std::memcpy(&bytes, base + data_offset + offset, sizeof bytes);
        if (bytes > kInternBytesMax || offset + sizeof bytes + bytes > data_bytes) return {};
        return {reinterpret_cast<const char*>(base + data_offset + offset + sizeof bytes), bytes};
    }
};

StringTable table_of(const spanring_segment_header& header, const std::byte* base) noexcept {
    return {base, header.string_index_offset, header.string_data_offset,
            header.string_data_bytes_max};
}

}  // namespace

std::uint32_t SegmentWriter::strings_count() const noexcept {
    // acquire: pairs with the release in append_string().
    return RealAtomics::load(header()->strings_count, std::memory_order_acquire);
}

std::string_view SegmentWriter::string(std::uint32_t id) const noexcept {
    if (id >= strings_count() || id >= strings_max_) return {};
    return table_of(*header(), mapping_.data).at(id);
}

std::uint32_t SegmentWriter::intern(std::string_view text) noexcept {
    if (text.empty()) return SPANRING_ID_NONE;
    if (text.size() > kInternBytesMax) return SPANRING_ID_INLINE;
    const std::uint64_t hash = hash_of(text);
    if (const std::uint32_t id = find(text, hash); id != SPANRING_ID_NONE) return id;
    const std::lock_guard guard(lock_);
    // Somebody may have been faster.
    if (const std::uint32_t id = find(text, hash); id != SPANRING_ID_NONE) return id;
    return append_string(text, hash);
}

std::uint32_t SegmentWriter::find(std::string_view text, std::uint64_t hash) const noexcept {
    const StringTable table = table_of(*header(), mapping_.data);
    for (std::uint32_t at = static_cast<std::uint32_t>(hash) & string_table_mask_;;
         at = (at + 1) & string_table_mask_) {
        // acquire: pairs with the release in index_string(): the string stands there.
        const std::uint64_t entry = RealAtomics::load(string_table_[at], std::memory_order_acquire);
        if (entry == 0) return SPANRING_ID_NONE;  // ends: the table is at most half full
        const auto id = static_cast<std::uint32_t>(entry);
        if (entry == table_entry(hash, id) && table.at(id) == text) return id;
    }
}

void SegmentWriter::index_string(std::uint32_t id, std::uint64_t hash) noexcept {
    std::uint32_t at = static_cast<std::uint32_t>(hash) & string_table_mask_;
    // relaxed: only the holder of lock_ writes the table.
    while (RealAtomics::load(string_table_[at], std::memory_order_relaxed) != 0) {
        at = (at + 1) & string_table_mask_;
    }
    // release: pairs with the acquire in find().
    RealAtomics::store(string_table_[at], table_entry(hash, id), std::memory_order_release);
}

bool SegmentWriter::reserve_string(std::uint32_t id, std::uint64_t data_end) noexcept {
    const spanring_segment_header& h = *header();
    const std::uint64_t index_end = (std::uint64_t{id} + 1) * sizeof(std::uint32_t);
    if (index_end > string_index_reserved_) {
        const std::uint64_t from = h.string_index_offset + string_index_reserved_;
        if (!reserve(from, from + kRegionBytes)) return false;
        string_index_reserved_ += kRegionBytes;
    }
    while (data_end > string_data_reserved_) {
        const std::uint64_t left = string_data_bytes_max_ - string_data_reserved_;
        const std::uint64_t more = left < kStringChunkBytes ? left : kStringChunkBytes;
        const std::uint64_t from = h.string_data_offset + string_data_reserved_;
        if (!reserve(from, from + more)) return false;
        string_data_reserved_ += more;
    }
    return true;
}

std::uint32_t SegmentWriter::append_string(std::string_view text, std::uint64_t hash) noexcept {
    spanring_segment_header& h = *header();
    // relaxed, both: written under lock_ only, which we hold.
    const std::uint32_t id = RealAtomics::load(h.strings_count, std::memory_order_relaxed);
    const std::uint32_t offset = RealAtomics::load(h.string_data_bytes, std::memory_order_relaxed);
    const auto bytes = static_cast<std::uint32_t>(text.size());
    const std::uint64_t end =
        (std::uint64_t{offset} + sizeof bytes + bytes + 3) & ~std::uint64_t{3};
    if (id >= strings_max_ || end > string_data_bytes_max_ || !reserve_string(id, end)) {
        return SPANRING_ID_INLINE;
    }
    std::byte* entry = mapping_.data + h.string_data_offset + offset;
    std::memcpy(entry, &bytes, sizeof bytes);
    std::memcpy(entry + sizeof bytes, text.data(), bytes);
    auto* index = reinterpret_cast<std::uint32_t*>(mapping_.data + h.string_index_offset);
    // relaxed, both: the release of strings_count publishes them.
    RealAtomics::store(index[id], offset, std::memory_order_relaxed);
    RealAtomics::store(h.string_data_bytes, static_cast<std::uint32_t>(end),
                       std::memory_order_relaxed);
    SPANRING_TESTPOINT("string.written");
    // release: pairs with the acquire in SegmentReader::strings_count() and strings_count().
    RealAtomics::store(h.strings_count, id + 1, std::memory_order_release);
    SPANRING_TESTPOINT("string.declared");
    index_string(id, hash);
    return id;
}

bool SegmentWriter::copy_strings_from(const SegmentMapping& other) noexcept {
    const auto& theirs = *reinterpret_cast<const spanring_segment_header*>(other.data);
    const StringTable table = table_of(theirs, other.data);
    // acquire: pairs with the release in append_string(), in the parent or the older segment.
    const std::uint32_t count_untrusted =
        RealAtomics::load(theirs.strings_count, std::memory_order_acquire);
    if (count_untrusted > theirs.strings_max || count_untrusted > strings_max_ ||
        table.index_offset + std::uint64_t{count_untrusted} * 4 > other.bytes ||
        table.data_offset + table.data_bytes > other.bytes) {
        return false;
    }
    const std::lock_guard guard(lock_);
    if (strings_count() != 1) return false;
    for (std::uint32_t id = 1; id < count_untrusted; ++id) {
        const std::string_view text = table.at(id);
        if (append_string(text, hash_of(text)) != id) return false;
    }
    return true;
}

}  // namespace spanring::shm
