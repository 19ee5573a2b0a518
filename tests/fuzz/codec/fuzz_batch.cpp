// decode(): any bytes. The checksum is made right first, or hardly an input would reach the
// parsers. What decodes must encode again, to a batch that decodes to the same rows.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "batch_layout.hpp"
#include "spanring/base/crc32c.hpp"
#include "spanring/codec/batch.hpp"

using namespace spanring;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

std::vector<std::byte> with_right_header(const std::uint8_t* data, std::size_t count) {
    std::vector<std::byte> bytes(count);
    if (count > 0) std::memcpy(bytes.data(), data, count);
    codec::BatchHeader header;
    if (count < sizeof(header)) return bytes;
    std::memcpy(&header, bytes.data(), sizeof(header));
    header.magic = codec::kBatchMagic;
    header.version = codec::kBatchVersion;
    header.reserved_0 = 0;
    header.batch_bytes = static_cast<std::uint32_t>(count);
    std::memcpy(bytes.data(), &header, sizeof(header));
    header.crc32c = crc32c(std::span(bytes).subspan(codec::kChecksummedFrom));
    std::memcpy(bytes.data(), &header, sizeof(header));
    return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    const auto batch = codec::decode(with_right_header(data, count));
    if (!batch) return 0;
    for (std::size_t i = 0; i < batch->rows.size(); ++i) (void)batch->span(i);
    const auto again = codec::encode(*batch);
    require(again.ok());
    const auto read = codec::decode(*again);
    require(read.ok() && read->rows.size() == batch->rows.size());
    require(*codec::encode(*read) == *again);
    return 0;
}
