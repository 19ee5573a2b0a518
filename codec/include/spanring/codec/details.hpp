// Reading and writing detail records: attributes, events, links, status, ... of one span, the form
// that rings and batches share. Format: spanring/abi/record_layout.h. Threads: pure, or one
// writer's own buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "spanring/abi/record_layout.h"
#include "spanring/base/ids.hpp"
#include "spanring/base/result.hpp"
#include "spanring/codec/span.hpp"

namespace spanring::codec {

/// Whether records of this kind (target bits taken off) are attributes.
[[nodiscard]] constexpr bool is_attribute(std::uint32_t kind) noexcept {
    return kind >= SPANRING_REC_ATTR_BOOL && kind <= SPANRING_REC_ATTR_STRING_ARRAY;
}
/// Whether the id of a detail of this kind is the number of a string.
[[nodiscard]] constexpr bool names_a_string(std::uint32_t kind) noexcept {
    return is_attribute(kind) || kind == SPANRING_REC_EVENT_AT;
}

/// One detail record taken apart; `body` is what follows the head without the padding (payload, or
/// the fixed fields).
struct Detail {
    std::uint32_t kind{0};    ///< SPANRING_REC_*, target bits taken off
    std::uint32_t target{0};  ///< SPANRING_TARGET_*
    std::uint32_t id{0};
    std::uint32_t low{0};
    std::span<const std::byte> body;
};

/// Walks detail records; stops at the first that is malformed. All reads are in bounds whatever the
/// bytes are.
class DetailReader {
public:
    explicit DetailReader(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}
    /// Returns false at the end or at a malformed record (then `ok()` is false).
    bool next(Detail* detail) noexcept;
    [[nodiscard]] bool ok() const noexcept { return ok_; }
    /// Bytes read so far.
    [[nodiscard]] std::size_t position() const noexcept { return position_; }

private:
    std::span<const std::byte> bytes_;
    std::size_t position_{0};
    bool ok_{true};
};

inline bool DetailReader::next(Detail* detail) noexcept {
    if (!ok_ || position_ == bytes_.size()) return false;
    const auto rest = bytes_.subspan(position_);
    ok_ = false;
    if (rest.size() < 8) return false;
    std::uint64_t head;
    std::memcpy(&head, rest.data(), sizeof head);
    const std::uint32_t record_bytes = spanring_record_bytes(head);
    const std::uint32_t kind = spanring_record_kind(head) & SPANRING_REC_DETAIL_MASK;
    if (record_bytes == 0 || record_bytes > rest.size() || kind < SPANRING_REC_DETAIL_FIRST) {
        return false;
    }
    detail->kind = kind;
    detail->target = spanring_record_kind(head) & SPANRING_TARGET_MASK;
    detail->id = spanring_record_id(head);
    detail->low = spanring_record_low(head);
    detail->body =
        rest.subspan(8, spanring_record_has_payload(kind) != 0 ? detail->low : record_bytes - 8);
    position_ += record_bytes;
    ok_ = true;
    return true;
}

/// Appends detail records to a buffer. `id`s are whatever string numbers the buffer's owner uses.
class DetailWriter {
public:
    explicit DetailWriter(std::vector<std::byte>& out) noexcept : out_(out) {}
    void attribute(std::uint32_t key, const Value& value, std::uint32_t target);
    void event_at(std::uint32_t name, std::int64_t time_ns);
    void link(const TraceId& trace, const SpanId& span, bool trace_64, std::uint32_t flags);
    void trace_state(std::string_view text, std::uint32_t target);
    void status(StatusCode code, std::string_view message);
    void dropped(const DroppedCounts& counts);
    /// Any record: head and body, padded to 8.
    void raw(std::uint32_t kind_and_target, std::uint32_t id, std::uint32_t low,
             std::span<const std::byte> body);

private:
    std::vector<std::byte>& out_;
};

/// Returns the value of an ATTR_* record; of an array that ends within an element, the whole ones:
/// the rest of an open span's value may still come. Errors: kCorrupt: another record.
[[nodiscard]] Result<Value> attribute_value(const Detail& detail);

}  // namespace spanring::codec
