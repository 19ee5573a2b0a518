#include "sections.hpp"

#include <lz4.h>

#include <algorithm>

#include "batch_layout.hpp"
#include "spanring/base/crc32c.hpp"
#include "spanring/codec/batch.hpp"

namespace spanring::codec {
namespace {

// Below this LZ4 cannot win: its own format keeps the last 12 bytes literal.
constexpr std::size_t kCompressBytesMin = 32;
// LZ4 expands a byte to 255 at most (lz4_Block_format.md: length bytes of 255).
constexpr std::size_t kExpansionMax = 255;

}  // namespace

Error corrupt_batch(const std::string& what) {
    return Error{ErrorCode::kCorrupt, "batch: " + what};
}

void SectionWriter::add(SectionId id, const Buffer& content) {
    if (content.empty()) return;
    const std::size_t begin = bodies_.size();
    content_bytes_ += content.size();
    int compressed_bytes = 0;
    if (content.size() >= kCompressBytesMin) {
        // One byte less than raw is what it must fit into, or it stays raw.
        bodies_.resize(begin + content.size() - 1);
        compressed_bytes = LZ4_compress_default(reinterpret_cast<const char*>(content.data()),
                                                reinterpret_cast<char*>(bodies_.data() + begin),
                                                static_cast<int>(content.size()),
                                                static_cast<int>(content.size() - 1));
        bodies_.resize(begin + static_cast<std::size_t>(compressed_bytes));
    }
    if (compressed_bytes == 0) put_bytes(bodies_, content);
    put_varint(table_, static_cast<std::uint32_t>(id));
    put_varint(table_, content.size());
    put_varint(table_, static_cast<std::size_t>(compressed_bytes));
    ++count_;
}

Buffer SectionWriter::finish(std::size_t row_count) const {
    BatchHeader header{};
    header.magic = kBatchMagic;
    header.version = kBatchVersion;
    header.section_count = count_;
    header.row_count = static_cast<std::uint32_t>(row_count);
    header.table_bytes = static_cast<std::uint32_t>(table_.size());
    header.batch_bytes =
        static_cast<std::uint32_t>(sizeof(header) + table_.size() + bodies_.size());
    Buffer out;
    out.reserve(header.batch_bytes);
    put_fixed(out, header);
    put_bytes(out, table_);
    put_bytes(out, bodies_);
    header.crc32c = crc32c(std::span(out).subspan(kChecksummedFrom));
    std::memcpy(out.data(), &header, sizeof(header));
    return out;
}

Result<SectionReader> SectionReader::open(std::span<const std::byte> bytes) {
    ByteReader in(bytes);
    const auto header = in.fixed<BatchHeader>();
    if (!in.ok()) return corrupt_batch("shorter than its header");
    if (header.magic != kBatchMagic) return corrupt_batch("no batch starts here");
    if (header.version != kBatchVersion) {
        return Error{ErrorCode::kVersion, "batch: version " + std::to_string(header.version) +
                                              ", this build reads " +
                                              std::to_string(kBatchVersion)};
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
    ByteReader table(in.bytes(header.table_bytes));
    std::size_t total_bytes = 0;
    for (std::uint32_t i = 0; i < header.section_count; ++i) {
        Entry entry;
        entry.id = static_cast<std::uint32_t>(table.varint_up_to(~0u));
        entry.content_bytes = table.varint_up_to(kBatchBytesMax);
        const std::size_t compressed_bytes = table.varint_up_to(kBatchBytesMax);
        entry.compressed = compressed_bytes != 0;
        entry.stored = in.bytes(entry.compressed ? compressed_bytes : entry.content_bytes);
        total_bytes += entry.content_bytes;
        if (!table.ok() || !in.ok()) return corrupt_batch("table of sections");
        if (!reader.entries_.empty() && entry.id <= reader.entries_.back().id) {
            return corrupt_batch("sections out of order");
        }
        if (total_bytes > kBatchBytesMax ||
            (entry.compressed && entry.content_bytes / kExpansionMax > compressed_bytes)) {
            return corrupt_batch("section " + std::to_string(entry.id) + " is too large");
        }
        reader.entries_.push_back(entry);
    }
    if (!table.finished() || !in.finished()) return corrupt_batch("bytes that no section owns");
    return reader;
}

Result<std::span<const std::byte>> SectionReader::read(SectionId id, Buffer* buffer) const {
    const auto entry =
        std::lower_bound(entries_.begin(), entries_.end(), static_cast<std::uint32_t>(id),
                         [](const Entry& e, std::uint32_t wanted) { return e.id < wanted; });
    if (entry == entries_.end() || entry->id != static_cast<std::uint32_t>(id)) {
        return std::span<const std::byte>();
    }
    if (!entry->compressed) return entry->stored;
    buffer->resize(entry->content_bytes);
    const int read = LZ4_decompress_safe(reinterpret_cast<const char*>(entry->stored.data()),
                                         reinterpret_cast<char*>(buffer->data()),
                                         static_cast<int>(entry->stored.size()),
                                         static_cast<int>(entry->content_bytes));
    if (read < 0 || static_cast<std::size_t>(read) != entry->content_bytes) {
        return corrupt_batch("section " + std::to_string(entry->id) + " does not decompress");
    }
    return std::span<const std::byte>(*buffer);
}

}  // namespace spanring::codec
