#include "sections.hpp"

#include <lz4.h>
#include <lz4hc.h>
#include <zstd.h>

#include <algorithm>

#include "batch_layout.hpp"
#include "spanring/base/crc32c.hpp"
#include "spanring/codec/batch.hpp"

namespace spanring::codec {
namespace {

// Below this LZ4 cannot win: its own format keeps the last 12 bytes literal.
constexpr std::size_t kCompressBytesMin = 32;
// A small batch on its way to a commit leaves short sections raw: of a turn with a single span that
// is 70 bytes more and a tenth of all instructions less. Compaction packs them.
constexpr std::size_t kCompressBytesMinOfSmall = 512;
constexpr std::size_t kRowsOfSmall = 512;
// LZ4 expands a byte to 255 at most (lz4_Block_format.md: length bytes of 255).
constexpr std::size_t kExpansionMax = 255;

// The level from which on LZ4 HC looks for the best of all matches: for small columns in the
// background its time does not matter.
constexpr int kLz4SmallLevel = LZ4HC_CLEVEL_OPT_MIN;

/// Returns the bytes written to `out`; 0: it does not fit.
int compress_lz4(const Buffer& content, std::span<std::byte> out, bool small, LZ4_stream_t* state) {
    const auto* from = reinterpret_cast<const char*>(content.data());
    auto* to = reinterpret_cast<char*>(out.data());
    const int bytes = static_cast<int>(content.size());
    const int room = static_cast<int>(out.size());
    if (small) return LZ4_compress_HC(from, to, bytes, room, kLz4SmallLevel);
    // An independent block, without clearing the state's 16 KiB each time.
    if (state == nullptr) return 0;  // no memory for it: stays raw
    LZ4_resetStream_fast(state);
    return LZ4_compress_fast_continue(state, from, to, bytes, room, 1);
}

/// Returns the bytes written to *out; 0: it is not smaller.
std::size_t compress_zstd(const Buffer& content, Buffer* out, int level) {
    out->resize(content.size());
    const std::size_t bytes =
        ZSTD_compress(out->data(), out->size(), content.data(), content.size(), level);
    return ZSTD_isError(bytes) != 0 ? 0 : bytes;
}

/// Whether `stored` gives exactly `out`. Writes nowhere else, whatever it is.
bool decompress(SectionCodec codec, std::span<const std::byte> stored, std::span<std::byte> out) {
    if (codec == SectionCodec::kZstd) {
        const std::size_t bytes =
            ZSTD_decompress(out.data(), out.size(), stored.data(), stored.size());
        return ZSTD_isError(bytes) == 0 && bytes == out.size();
    }
    const int bytes = LZ4_decompress_safe(
        reinterpret_cast<const char*>(stored.data()), reinterpret_cast<char*>(out.data()),
        static_cast<int>(stored.size()), static_cast<int>(out.size()));
    return bytes >= 0 && static_cast<std::size_t>(bytes) == out.size();
}

}  // namespace

CompressionMemory::CompressionMemory() : stream_(LZ4_createStream()) {}
void CompressionMemory::Free::operator()(void* stream) const noexcept {
    LZ4_freeStream(static_cast<LZ4_stream_t*>(stream));
}

Error corrupt_batch(const std::string& what) {
    return Error{ErrorCode::kCorrupt, "batch: " + what};
}

void CompressionMemory::keep_at_most(std::size_t bytes) noexcept {
    codec::keep_at_most(bodies, bytes);
    for (PackedRoom& room : rooms) {
        room.lz4.keep_at_most(bytes);
        codec::keep_at_most(room.zstd, bytes);
    }
}

SectionWriter::SectionWriter(const EncodeOptions& options, std::size_t row_count,
                             CompressionMemory& memory)
    : options_(options), row_count_(row_count), memory_(memory) {
    constexpr std::size_t kEntriesUsual = 16;
    entries_.reserve(kEntriesUsual);
    memory_.bodies.clear();
}

// What it returns is valid until `room` is used again.
SectionWriter::Packed SectionWriter::pack(const Buffer& content, PackedRoom& room) {
    Packed packed{content, SectionCodec::kRaw};
    const bool is_small = !options_.small && row_count_ < kRowsOfSmall;
    if (content.size() < (is_small ? kCompressBytesMinOfSmall : kCompressBytesMin)) return packed;
    // One byte less than raw is what it must fit into, or it stays raw.
    const auto out = room.lz4.take(content.size() - 1);
    const auto lz4 = static_cast<std::size_t>(
        compress_lz4(content, out, options_.small, static_cast<LZ4_stream_t*>(memory_.stream())));
    if (lz4 != 0) packed = {out.first(lz4), SectionCodec::kLz4};
    const std::size_t zstd = options_.small && options_.zstd_level > 0
                                 ? compress_zstd(content, &room.zstd, options_.zstd_level)
                                 : 0;
    if (zstd != 0 && zstd < packed.bytes.size() && content.size() / kExpansionMax <= zstd) {
        packed = {std::span(room.zstd).first(zstd), SectionCodec::kZstd};
    }
    return packed;
}

void SectionWriter::put(SectionId id, std::size_t content_bytes, const Packed& packed) {
    content_bytes_ += content_bytes;
    if (packed.codec == SectionCodec::kZstd) version_ = std::max(version_, kBatchVersionZstd);
    put_bytes(memory_.bodies, packed.bytes);
    entries_.push_back({id, content_bytes, packed.bytes.size(), packed.codec});
}

void SectionWriter::add(SectionId id, const Buffer& content) {
    if (!content.empty()) put(id, content.size(), pack(content, memory_.rooms[0]));
}

void SectionWriter::add_smaller(SectionId id, const Buffer& content, const Buffer& dictionary) {
    const Packed as_it_is = pack(content, memory_.rooms[0]);
    const Packed as_dictionary = pack(dictionary, memory_.rooms[1]);
    if (as_dictionary.bytes.size() < as_it_is.bytes.size()) {
        version_ = kBatchVersionDictionary;
        put(id, dictionary.size(), as_dictionary);
    } else {
        put(id, content.size(), as_it_is);
    }
}

Buffer SectionWriter::table(bool with_codecs) const {
    constexpr std::size_t kEntryBytesUsual = 8;
    Buffer out;
    out.reserve(entries_.size() * kEntryBytesUsual);
    for (const Entry& entry : entries_) {
        put_varint(out, static_cast<std::uint32_t>(entry.id));
        put_varint(out, entry.content_bytes);
        if (with_codecs) put_varint(out, static_cast<std::uint64_t>(entry.codec));
        const bool implied = !with_codecs && entry.codec == SectionCodec::kRaw;
        put_varint(out, implied ? 0 : entry.stored_bytes);
    }
    return out;
}

Buffer SectionWriter::finish() const {
    const Buffer table_bytes = table(version_ != kBatchVersion);
    BatchHeader header{};
    header.magic = kBatchMagic;
    header.version = version_;
    header.section_count = static_cast<std::uint32_t>(entries_.size());
    header.row_count = static_cast<std::uint32_t>(row_count_);
    header.table_bytes = static_cast<std::uint32_t>(table_bytes.size());
    header.batch_bytes =
        static_cast<std::uint32_t>(sizeof(header) + table_bytes.size() + memory_.bodies.size());
    Buffer out;
    out.reserve(header.batch_bytes);
    put_fixed(out, header);
    put_bytes(out, table_bytes);
    put_bytes(out, memory_.bodies);
    header.crc32c = crc32c(std::span(out).subspan(kChecksummedFrom));
    std::memcpy(out.data(), &header, sizeof(header));
    return out;
}

Result<SectionReader> SectionReader::open(std::span<const std::byte> bytes) {
    ByteReader in(bytes);
    const auto header = in.fixed<BatchHeader>();
    if (!in.ok()) return corrupt_batch("shorter than its header");
    if (header.magic != kBatchMagic) return corrupt_batch("no batch starts here");
    if (header.version < kBatchVersion || header.version > kBatchVersionLast) {
        return Error{ErrorCode::kVersion, "batch: version " + std::to_string(header.version) +
                                              ", this build reads " +
                                              std::to_string(kBatchVersion) + " to " +
                                              std::to_string(kBatchVersionLast)};
    }
    if (header.reserved_0 != 0) return corrupt_batch("a reserved field is not zero");
    if (header.batch_bytes != bytes.size()) {
        return corrupt_batch("is " + std::to_string(header.batch_bytes) + " bytes long, " +
                             std::to_string(bytes.size()) + " are there");
    }
    if (crc32c(bytes.subspan(kChecksummedFrom)) != header.crc32c) {
        return corrupt_batch("wrong checksum");
    }
    if (header.row_count > kBatchSpansLimit) return corrupt_batch("too many rows");

    SectionReader reader;
    reader.row_count_ = header.row_count;
    reader.version_ = header.version;
    ByteReader table(in.bytes(header.table_bytes));
    auto read = reader.read_table(table, in, header.section_count, header.version != kBatchVersion);
    if (!read) return std::move(read).error();
    if (!table.finished() || !in.finished()) return corrupt_batch("bytes that no section owns");
    return reader;
}

Result<void> SectionReader::read_table(ByteReader& table, ByteReader& in, std::uint32_t count,
                                       bool with_codecs) {
    std::size_t total_bytes = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        Entry entry;
        entry.id = static_cast<std::uint32_t>(table.varint_up_to(~0u));
        entry.content_bytes = table.varint_up_to(kBatchBytesMax);
        std::uint64_t codec = 0;
        if (with_codecs) codec = table.varint_up_to(static_cast<unsigned>(SectionCodec::kZstd));
        std::size_t stored_bytes = table.varint_up_to(kBatchBytesMax);
        if (!with_codecs) codec = stored_bytes != 0 ? 1 : 0;
        entry.codec = static_cast<SectionCodec>(codec);
        if (entry.codec == SectionCodec::kRaw) {
            if (with_codecs && stored_bytes != entry.content_bytes) table.fail();
            stored_bytes = entry.content_bytes;
        }
        entry.stored = in.bytes(stored_bytes);
        total_bytes += entry.content_bytes;
        if (!table.ok() || !in.ok()) return corrupt_batch("table of sections");
        if (!entries_.empty() && entry.id <= entries_.back().id) {
            return corrupt_batch("sections out of order");
        }
        if (total_bytes > kBatchBytesMax || entry.content_bytes / kExpansionMax > stored_bytes) {
            return corrupt_batch("section " + std::to_string(entry.id) + " is too large");
        }
        entries_.push_back(entry);
    }
    return {};
}

Result<std::span<const std::byte>> SectionReader::read(SectionId id, Buffer* buffer) const {
    const auto entry =
        std::lower_bound(entries_.begin(), entries_.end(), static_cast<std::uint32_t>(id),
                         [](const Entry& e, std::uint32_t wanted) { return e.id < wanted; });
    if (entry == entries_.end() || entry->id != static_cast<std::uint32_t>(id)) {
        return std::span<const std::byte>();
    }
    if (entry->codec == SectionCodec::kRaw) return entry->stored;
    // What it takes was bounded when the table was read.
    buffer->resize(entry->content_bytes);
    if (!decompress(entry->codec, entry->stored, *buffer)) {
        return corrupt_batch("section " + std::to_string(entry->id) + " does not decompress");
    }
    return std::span<const std::byte>(*buffer);
}

}  // namespace spanring::codec
