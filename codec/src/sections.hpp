// The container of a batch: header, table of sections, sections (LZ4, zstd or raw), one checksum.
// docs/format/batch.md says what every byte means; src/batch_layout.hpp declares the header.
// Threads: plain objects.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "batch_layout.hpp"
#include "bytes.hpp"
#include "scratch.hpp"
#include "spanring/base/result.hpp"
#include "spanring/codec/batch.hpp"

namespace spanring::codec {

enum class SectionId : std::uint32_t {
    kStrings = 1,
    kTables = 2,
    kShapes = 3,
    kTraces = 4,
    kShapeOfRow = 5,
    kSpans = 6,
    kParents = 7,
    kStarts = 8,
    kDurations = 9,
    kColumnFirst = 16,  // one for each column of values, in the order of the shapes' heads
};

/// How a section is stored: as the table of versions from 2 on says it.
enum class SectionCodec : std::uint8_t { kRaw = 0, kLz4 = 1, kZstd = 2 };

/// Where a section is compressed to.
struct PackedRoom {
    Scratch<std::byte> lz4;
    Buffer zstd;
};

/// What compressing takes, made once instead of for each section.
class CompressionMemory {
public:
    CompressionMemory();
    /// LZ4's table of what it has seen; null if there was no memory for it.
    [[nodiscard]] void* stream() noexcept { return stream_.get(); }
    void keep_at_most(std::size_t bytes) noexcept;
    std::array<PackedRoom, 2> rooms;  ///< for both forms of a section that has two
    Buffer bodies;                    ///< of the sections that are done

private:
    struct Free {
        void operator()(void* stream) const noexcept;
    };
    std::unique_ptr<void, Free> stream_;
};

class SectionWriter {
public:
    /// `memory` must outlive it.
    SectionWriter(const EncodeOptions& options, std::size_t row_count, CompressionMemory& memory);
    /// Takes over the content of section `id`. Ids must ascend. Empty sections are left out.
    void add(SectionId id, const Buffer& content);
    /// As add(), of the same values in two forms: what takes less in the end.
    void add_smaller(SectionId id, const Buffer& content, const Buffer& dictionary);
    /// What a reader will have decompressed: must not exceed kBatchBytesMax.
    [[nodiscard]] std::size_t content_bytes() const noexcept { return content_bytes_; }
    /// Returns the whole batch.
    [[nodiscard]] Buffer finish() const;

private:
    struct Entry {
        SectionId id;
        std::size_t content_bytes;
        std::size_t stored_bytes;
        SectionCodec codec;
    };
    struct Packed {
        std::span<const std::byte> bytes;
        SectionCodec codec;
    };
    [[nodiscard]] Packed pack(const Buffer& content, PackedRoom& room);
    void put(SectionId id, std::size_t content_bytes, const Packed& packed);
    [[nodiscard]] Buffer table(bool with_codecs) const;

    EncodeOptions options_;
    std::size_t row_count_;
    CompressionMemory& memory_;
    std::vector<Entry> entries_;
    std::size_t content_bytes_{0};
    std::uint16_t version_{kBatchVersion};  // the lowest that says what was added
};

class SectionReader {
public:
    /// Checks header, checksum and table; decompresses nothing yet. `bytes` must outlive it.
    [[nodiscard]] static Result<SectionReader> open(std::span<const std::byte> bytes);

    [[nodiscard]] std::size_t row_count() const noexcept { return row_count_; }
    [[nodiscard]] bool may_have_dictionaries() const noexcept {
        return version_ >= kBatchVersionDictionary;
    }
    /// Returns the content of section `id` decompressed into *buffer; empty if there is none.
    [[nodiscard]] Result<std::span<const std::byte>> read(SectionId id, Buffer* buffer) const;

private:
    struct Entry {
        std::uint32_t id{0};
        std::size_t content_bytes{0};  // decompressed
        SectionCodec codec{SectionCodec::kRaw};
        std::span<const std::byte> stored;
    };

    [[nodiscard]] Result<void> read_table(ByteReader& table, ByteReader& in, std::uint32_t count,
                                          bool with_codecs);

    std::size_t row_count_{0};
    std::uint16_t version_{kBatchVersion};
    std::vector<Entry> entries_;  // by id, ascending
};

/// An Error for a malformed batch: "batch: <what>".
[[nodiscard]] Error corrupt_batch(const std::string& what);

}  // namespace spanring::codec
