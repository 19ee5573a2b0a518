// What the assembler holds of a stream: its stack, the spans that are open beside it, what is
// pending between two records. Threads: the assembler's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "spanring/abi/record_layout.h"
#include "spanring/base/ids.hpp"
#include "spanring/codec/batch.hpp"

namespace spanring::consumer {

/// The trace that a span or context belongs to.
struct TraceRef {
    std::uint64_t high{0};
    std::uint64_t low{0};
    std::uint32_t row_flags{0};    ///< RowFlag::kNativeTrace, kTraceId64
    std::uint16_t w3c_flags{0};    ///< of the remote parent; all its local spans have them
    std::uint32_t trace_state{0};  ///< index into the assembler's trace states, 0: none
};

/// Whether a child of what has this trace is the first span of a new one.
[[nodiscard]] inline bool begins_trace(const TraceRef& trace) noexcept {
    return trace.row_flags == 0 && trace.high == 0 && trace.low == 0;
}

inline constexpr std::uint32_t kNoDetails = 0xffffffffu;

/// A span that is open, or an attached context: an entry of a stream's stack, or (spans only) of
/// the map of spans that are named by their key.
struct Open {
    enum class Kind : std::uint8_t {
        kSpan,
        kLost,     ///< its begin was lost: only a parent for its children
        kContext,  ///< `parent` is what its children get as theirs
    };
    enum : std::uint32_t {
        kParentNative = 1u << 0,
        kTruncated = 1u << 1,
        kDetached = 1u << 2,     ///< lives in the map, not on a stack
        kExported = 1u << 3,     ///< an earlier frame has a row of it
        kDirty = 1u << 4,        ///< changed since
        kRewritten = 1u << 5,    ///< changed within what was exported: export it whole again
        kStateInside = 1u << 6,  ///< a TRACESTATE stands in its details
        kPendingEnd = 1u << 7,
        kMessage = 1u << 8,      ///< the last STATUS of its details has the message that counts
        kClosedEarly = 1u << 9,  ///< (kLost) was stored as unfinished, because too much was open
    };

    std::uint64_t mark{0};  ///< span: its ordinal; context: that of the last span begun before it
    SpanKey key;
    std::uint64_t parent{0};
    TraceRef trace;
    std::int64_t start_mono_ns{0};
    std::int64_t start_ns{0};
    std::uint32_t name{0};
    std::uint32_t scope_name{0};
    std::uint32_t scope_version{0};
    std::uint32_t details{kNoDetails};  ///< number of its buffer in the DetailPool
    std::uint32_t exported_bytes{0};
    std::uint32_t flags{0};
    std::uint8_t kind{0};
    std::uint8_t status{0};
    std::uint16_t w3c_flags{0};
    Kind entry{Kind::kSpan};

    [[nodiscard]] bool has(std::uint32_t flag) const noexcept { return (flags & flag) != 0; }
};

/// What a span gets from the top of its stack; nullptr: from an empty one.
struct Above {
    TraceRef trace;
    std::uint64_t parent{0};
    bool native_parent{false};
};
[[nodiscard]] inline Above above_of(const Open* top) noexcept {
    if (top == nullptr) return {};
    if (top->entry == Open::Kind::kContext) {
        return {top->trace, top->parent, top->has(Open::kParentNative)};
    }
    return {top->trace, top->key.value, true};
}

/// Buffers of detail records, in the form of the ring (string numbers of the segment; inline
/// strings as NAME before their record), reused without allocating.
class DetailPool {
public:
    std::uint32_t take() {
        if (!free_.empty()) {
            const std::uint32_t number = free_.back();
            free_.pop_back();
            return number;
        }
        buffers_.emplace_back();
        return static_cast<std::uint32_t>(buffers_.size() - 1);
    }
    void give(std::uint32_t number) {
        auto& buffer = buffers_[number];
        // A buffer that once held a very large span would be kept for ever by a tiny one.
        if (buffer.capacity() > kKeepBytes) {
            buffer = {};
        } else {
            buffer.clear();
        }
        free_.push_back(number);
    }
    std::vector<std::byte>& operator[](std::uint32_t number) noexcept { return buffers_[number]; }
    const std::vector<std::byte>& operator[](std::uint32_t number) const noexcept {
        return buffers_[number];
    }

private:
    static constexpr std::size_t kKeepBytes = 64u << 10;
    std::vector<std::vector<std::byte>> buffers_;
    std::vector<std::uint32_t> free_;
};

/// A place within somebody's detail records: the end of the item's records, or the head of the last
/// record with a payload.
struct Place {
    enum class In : std::uint8_t { kNowhere, kSpan, kDeferred, kImport, kResource, kName };
    In in{In::kNowhere};
    SpanKey key;
    std::uint64_t serial{0};  ///< of the deferred operation
    std::uint32_t offset{0};

    static Place at(In in, std::uint32_t offset = 0) noexcept { return {in, {}, 0, offset}; }
    static Place of_span(SpanKey key) noexcept { return {In::kSpan, key, 0, 0}; }
};

/// An imported span, of which the end has not been read.
struct Import {
    Open open;  ///< name, kind, status, scope, details
    std::uint64_t span{0};
    std::uint32_t row_flags{0};
    std::int64_t duration_ns{0};
    std::vector<std::byte> resource;
};

struct Stream {
    bool started{false};
    bool changed{false};  ///< since the last export
    std::uint64_t next_ordinal{1};
    std::uint64_t sequence{0};  ///< of the page being read
    std::uint64_t base_ticks{0};
    std::vector<Open> stack;
    std::uint64_t closed_up_to{0};  ///< the last ordinal that was closed early
    SpanKey for_key;                ///< of a FOR whose operation has not come yet; 0: none
    std::int64_t for_mono_ns{0};    ///< its time
    bool for_ordered{false};        ///< other streams may have operations that come before it
    bool has_name{false};
    std::vector<std::byte> name;
    Place item;
    Place payload;
    std::unique_ptr<Import> import;
};

/// An operation held back until every stream has been drained once more.
struct Deferred {
    enum class What : std::uint8_t { kDetails, kEnd, kLostEnd };
    SpanKey key;
    What what{What::kEnd};
    std::int64_t mono_ns{0};  ///< when it happened
    std::uint64_t serial{0};
    std::vector<std::byte> records;
};

/// One record taken apart; `body` follows the head and is `bytes - 8` long, padding included.
struct Record {
    std::uint64_t head{0};
    std::uint32_t kind{0};  ///< target bits taken off
    std::uint32_t target{0};
    std::uint32_t id{0};
    std::uint32_t low{0};
    const std::byte* body{nullptr};
    std::uint32_t bytes{0};

    [[nodiscard]] std::uint64_t word(std::size_t index) const noexcept {
        std::uint64_t value;
        __builtin_memcpy(&value, body + index * 8, 8);
        return value;
    }
};

/// Reads the record at `at`; false if there is none that lies whole before `end`.
inline bool read_record(const std::byte* at, const std::byte* end, Record* record) noexcept {
    if (end - at < 8) return false;
    __builtin_memcpy(&record->head, at, 8);
    record->bytes = spanring_record_bytes(record->head);
    if (record->bytes == 0 || record->bytes > static_cast<std::size_t>(end - at)) return false;
    const std::uint32_t kind = spanring_record_kind(record->head);
    record->target = kind & SPANRING_TARGET_MASK;
    record->kind = kind & ~SPANRING_TARGET_MASK;
    record->id = spanring_record_id(record->head);
    record->low = spanring_record_low(record->head);
    record->body = at + 8;
    return true;
}

inline void put_record(std::vector<std::byte>& out, std::uint64_t head, const void* body,
                       std::size_t body_bytes) {
    const std::size_t at = out.size();
    out.resize(at + 8 + ((body_bytes + 7) & ~std::size_t{7}));
    __builtin_memcpy(out.data() + at, &head, 8);
    if (body_bytes != 0) __builtin_memcpy(out.data() + at + 8, body, body_bytes);
}

}  // namespace spanring::consumer
