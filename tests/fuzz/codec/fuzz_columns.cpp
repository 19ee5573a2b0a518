// One column of values, as it stands in a batch: packed by LZ4 or zstd or not, in a container whose
// bytes are damaged below a right checksum. What comes out of it is refused, or records that are
// written and read again are the same; what nobody damaged comes back as it was.
#include <fuzzer/FuzzedDataProvider.h>

#include <array>

#include "batch_checksum.hpp"
#include "columns.hpp"
#include "require.hpp"
#include "sections.hpp"

namespace spanring::codec {
namespace {

using fuzz::require;

constexpr std::size_t kValuesMax = 300;
/// The batch's own bound is for a whole batch; an input should take no second.
constexpr std::uint64_t kRepeatedBytesMax = 1u << 20;
constexpr std::array kKinds{SPANRING_REC_ATTR_BOOL,   SPANRING_REC_ATTR_INT,
                            SPANRING_REC_ATTR_DOUBLE, SPANRING_REC_ATTR_STRING,
                            SPANRING_REC_EVENT_AT,    SPANRING_REC_LINK,
                            SPANRING_REC_TRACESTATE,  SPANRING_REC_DROPPED};

/// Some records of this head; their bodies repeat, or nothing could be packed.
Buffer some_records(FuzzedDataProvider& in, Head head, std::size_t* values) {
    std::vector<std::vector<std::uint8_t>> bodies;
    for (int i = in.ConsumeIntegralInRange<int>(1, 6); i > 0; --i) {
        bodies.push_back(in.ConsumeBytes<std::uint8_t>(in.ConsumeIntegralInRange<int>(0, 40)));
    }
    const bool has_payload = spanring_record_has_payload(head & SPANRING_REC_DETAIL_MASK) != 0;
    const auto step = in.ConsumeIntegral<std::uint8_t>();
    Buffer records;
    for (std::size_t i = 0; i < *values; ++i) {
        const auto& body = bodies[(i * step + i / 7) % bodies.size()];
        const auto low = has_payload ? body.size() : step * i;
        const std::uint64_t word = head | std::uint64_t{static_cast<std::uint32_t>(low)} << 32;
        const std::size_t at = records.size();
        records.resize(at + spanring_record_bytes(word));
        std::memcpy(records.data() + at, &word, 8);
        const std::size_t room = std::min(body.size(), records.size() - at - 8);
        if (room != 0) std::memcpy(records.data() + at + 8, body.data(), room);
    }
    return records;
}

Buffer written(Head head, std::span<const std::byte> records, std::size_t values, bool dictionary) {
    ColumnWriter writer(head);
    for (std::size_t i = 0; i < values; ++i) {
        writer.add(records.data(), 0);
        records = records.subspan(writer.record_bytes(load_word(records.data())));
    }
    Buffer out;
    if (!dictionary || !writer.put_as_dictionary(out)) writer.put(out);
    return out;
}

std::optional<Buffer> read(Head head, std::span<const std::byte> content, std::size_t values) {
    ColumnReader reader(head, values);
    Buffer copy(content.begin(), content.end());
    const std::span<const std::byte> bytes(copy);
    if (!reader.read(bytes, std::move(copy), true)) return std::nullopt;
    if (reader.repeated_bytes() > kRepeatedBytesMax) return std::nullopt;
    Buffer records;
    for (std::size_t i = 0; i < values; ++i) reader.put(i, 0, &records);
    return records;
}

/// A batch of this section alone.
Buffer packed(FuzzedDataProvider& in, const Buffer& content) {
    EncodeOptions options;
    options.small = in.ConsumeBool();
    options.zstd_level = in.ConsumeIntegralInRange<int>(0, 1);
    CompressionMemory memory;
    constexpr std::size_t kRowsOfALargeBatch = 1000;  // small ones leave sections raw
    SectionWriter writer(options, kRowsOfALargeBatch, memory);
    writer.add(SectionId::kColumnFirst, content);
    return writer.finish();
}

/// Returns whether any byte was changed.
bool damage(FuzzedDataProvider& in, Buffer& bytes) {
    const int times = in.ConsumeIntegralInRange<int>(0, 6);
    for (int i = 0; i < times; ++i) {
        const auto at =
            in.ConsumeIntegralInRange<std::size_t>(sizeof(BatchHeader), bytes.size() - 1);
        bytes[at] ^= std::byte{in.ConsumeIntegralInRange<std::uint8_t>(1, 255)};
    }
    fuzz::mend_batch_checksum(bytes);
    return times != 0;
}

void run(FuzzedDataProvider& in) {
    const Head head = static_cast<Head>(in.PickValueInArray(kKinds)) | 1u << 8;
    auto values = in.ConsumeIntegralInRange<std::size_t>(1, kValuesMax);
    const bool made = in.ConsumeBool();
    Buffer content;
    if (made) {
        const Buffer records = some_records(in, head, &values);
        content = written(head, records, values, in.ConsumeBool());
    } else {
        for (const auto byte : in.ConsumeBytes<std::uint8_t>(in.remaining_bytes() / 2)) {
            content.push_back(std::byte{byte});
        }
    }
    if (content.empty()) return;
    Buffer batch = packed(in, content);
    const bool damaged = damage(in, batch);
    const auto sections = SectionReader::open(batch);
    require(sections.ok() || damaged, "a container that nobody damaged opens");
    if (!sections) return;
    Buffer buffer;
    const auto unpacked = sections->read(SectionId::kColumnFirst, &buffer);
    require(unpacked.ok() || damaged, "what nobody damaged is unpacked");
    if (!unpacked) return;
    require(
        damaged || std::equal(unpacked->begin(), unpacked->end(), content.begin(), content.end()),
        "to what was packed");
    const auto records = read(head, *unpacked, values);
    require(records || damaged || !made, "a column that was written is read");
    if (!records) return;
    for (const bool dictionary : {false, true}) {
        const auto again = read(head, written(head, *records, values, dictionary), values);
        require(again && *again == *records, "what is read is written, and read as the same");
    }
}

}  // namespace
}  // namespace spanring::codec

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    FuzzedDataProvider in(data, count);
    spanring::codec::run(in);
    return 0;
}
