// A batch: up to 8,192 spans with all that is needed to read them (strings, resources, scopes,
// instances), in memory.
//
// In memory a batch is rows over an arena: the assembler appends, nothing is allocated per span
// once the vectors have grown. `encode` turns it into columns, grouped by trace, each column LZ4
// (docs/format/batch.md); `decode` gives an equal batch, except that rows come in the stored order
// (by trace, then by start) and unused strings are gone. Threads: a Batch belongs to one thread at
// a time; encode and decode are pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spanring/base/ids.hpp"
#include "spanring/base/result.hpp"
#include "spanring/codec/span.hpp"

namespace spanring::codec {

inline constexpr std::size_t kBatchSpansMax =
    8192;  ///< of a batch as drained; compaction may merge up to 65,536
inline constexpr std::size_t kBatchSpansLimit = 65536;
inline constexpr std::size_t kBatchBytesMax = 256u << 20;  ///< decoded size that a reader accepts

/// Numbers within one batch. 0 is the empty string / the empty resource / no scope.
using StringId = std::uint32_t;
using ResourceId = std::uint32_t;
using ScopeId = std::uint32_t;
/// Index into Batch::instances plus one; 0: the row's ids are all foreign.
using InstanceIndex = std::uint32_t;

struct RowFlag {
    enum : std::uint32_t {
        kHasStart = 1u << 0,
        kHasDuration = 1u << 1,
        kUnfinished = 1u << 2,
        kEndLost = 1u << 3,
        kTruncated = 1u << 4,
        kNativeTrace = 1u << 5,  ///< trace = (instance number, root span key), else 16 raw bytes
        kNativeSpan = 1u << 6,   ///< span = span key of `instance`, else 8 raw bytes
        kNativeParent =
            1u << 7,  ///< parent = span key of `instance`, else 8 raw bytes; parent 0: a root
        kTraceId64 = 1u << 8,
        kAppend = 1u << 9,  ///< carry-over only: details are to be appended to what earlier frames
                            ///< said of this open span
        kPendingEnd =
            1u << 10,  ///< carry-over only: has ended, details from other threads may still come
        kStartOffset = 1u << 11  ///< carry-over only: `duration_ns` is the start's distance from
                                 ///< the monotonic clock's, by which the duration will be measured
    };
};

/// One span, ids of everything local to the batch. 88 bytes.
struct Row {
    std::uint64_t trace_high{0};  ///< native: instance number (of the trace's first span, maybe of
                                  ///< another process's instance)
    std::uint64_t trace_low{0};   ///< native: span key of the trace's first span. Foreign:
                                  ///< bytes 8..15, as loaded little-endian
    std::uint64_t span{0};  ///< native: span key. Foreign: 8 raw bytes as loaded little-endian
    std::uint64_t parent{0};
    std::int64_t start_ns{0};
    std::int64_t duration_ns{0};
    std::uint64_t details_offset{0};  ///< into Batch::details
    std::uint32_t details_bytes{0};
    std::uint32_t flags{0};  ///< RowFlag
    StringId name{0};
    ResourceId resource{0};
    ScopeId scope{0};
    InstanceIndex instance{0};
    std::uint8_t kind{0};
    std::uint8_t status{0};
    std::uint16_t trace_flags{0};
    std::uint32_t reserved{0};
};

/// What a reader needs to compute the ids of an instance's spans.
struct Instance {
    InstanceId id;
    Key128 host_key{};
    Key128 span_key{};
    bool operator==(const Instance&) const = default;
};

class Batch {
public:
    Batch();

    std::vector<Row> rows;
    /// Detail records (record_layout.h, those of "in rings and in batches"), ids are StringIds of
    /// this batch. KIND, STATUS without a message, RENAME, SCOPE, FLAGS never stand here: they are
    /// fields of the row. STATUS with a message does.
    std::vector<std::byte> details;

    /// Returns the number of `text` in this batch, adding it if new.
    StringId intern(std::string_view text);
    /// The view is valid until the next intern().
    [[nodiscard]] std::string_view string(StringId id) const noexcept {
        const std::size_t begin = id == 0 ? 0 : string_ends_[id - 1];
        return std::string_view(text_).substr(begin, string_ends_[id] - begin);
    }
    [[nodiscard]] std::size_t string_count() const noexcept { return string_ends_.size(); }

    /// Resources are detail records of attributes, without a target; equal bytes get the same
    /// number.
    ResourceId intern_resource(std::span<const std::byte> attribute_records);
    [[nodiscard]] std::span<const std::byte> resource(ResourceId id) const noexcept;
    [[nodiscard]] std::size_t resource_count() const noexcept { return resources_.size(); }

    ScopeId intern_scope(StringId name, StringId version);
    [[nodiscard]] std::pair<StringId, StringId> scope(ScopeId id) const noexcept {
        return scopes_[id];
    }
    [[nodiscard]] std::size_t scope_count() const noexcept { return scopes_.size(); }

    InstanceIndex intern_instance(const Instance& instance);
    [[nodiscard]] const Instance& instance(InstanceIndex index) const noexcept {
        return instances_[index - 1];
    }
    [[nodiscard]] std::size_t instance_count() const noexcept { return instances_.size(); }

    /// Appends a span with its own (foreign) ids. For imports, tests and compaction of mixed
    /// sources; not for the drain path.
    void add(const Span& span);
    /// Returns row `index` as an owning span, ids computed.
    /// Errors: kCorrupt if its details do not parse.
    [[nodiscard]] Result<Span> span(std::size_t index) const;
    [[nodiscard]] TraceId trace_id(const Row& row) const noexcept;
    [[nodiscard]] SpanId span_id(const Row& row) const noexcept;
    [[nodiscard]] SpanId parent_id(const Row& row) const noexcept;

    /// Forgets everything, keeps the memory.
    void clear();
    [[nodiscard]] bool empty() const noexcept { return rows.empty(); }
    /// What it holds beside the rows: details, text, resources. Not of a decoded batch.
    [[nodiscard]] std::size_t content_bytes() const noexcept {
        return details.size() + text_.size() + resource_bytes_;
    }

private:
    friend class BatchDecoder;  // fills the tables without looking for equal entries

    [[nodiscard]] std::size_t slot_of(std::string_view text) const noexcept;
    void index_strings();
    [[nodiscard]] Result<std::shared_ptr<const Attributes>> resource_attributes(
        ResourceId id) const;

    // Strings end to end; string 0 is empty. A reader never needs the index: it is built by the
    // first intern().
    std::string text_;
    std::vector<std::size_t> string_ends_;
    std::vector<StringId> string_slots_;  // open addressing, a power of two, 0: free
    std::vector<std::vector<std::byte>> resources_;
    std::size_t resource_bytes_{0};
    std::vector<std::pair<StringId, StringId>> scopes_;
    std::vector<Instance> instances_;
    mutable std::vector<std::shared_ptr<const Attributes>> resource_cache_;  // by ResourceId
};

struct EncodeOptions {
    bool small{false};  ///< take time for fewer bytes: compaction, never a commit
    int zstd_level{
        0};  ///< with `small`: 1 to 19, zstd for the columns that it makes smaller; 0: LZ4
};

struct EncoderMemory;

/// Encodes one batch after the other; keeps the memory that this takes: some 600 KiB after a batch
/// of 8,192 spans. Threads: one at a time.
class Encoder {
public:
    Encoder();
    Encoder(Encoder&&) noexcept;
    Encoder& operator=(Encoder&&) noexcept;
    ~Encoder();

    /// Returns the batch as bytes: columns, each compressed or raw, with a checksum
    /// (docs/format/batch.md). Deterministic. Errors: kInvalidArgument if details do not parse or
    /// the limits are exceeded.
    [[nodiscard]] Result<std::vector<std::byte>> encode(const Batch& batch,
                                                        const EncodeOptions& options = {});

private:
    std::unique_ptr<EncoderMemory> memory_;
};

/// As Encoder::encode, for a single batch.
[[nodiscard]] Result<std::vector<std::byte>> encode(const Batch& batch,
                                                    const EncodeOptions& options = {});

/// The inverse of encode. Trusts nothing: lengths, counts, references and the sizes before
/// decompression are checked, the whole bounded by kBatchBytesMax. Errors: kCorrupt, kVersion.
[[nodiscard]] Result<Batch> decode(std::span<const std::byte> bytes);

}  // namespace spanring::codec
