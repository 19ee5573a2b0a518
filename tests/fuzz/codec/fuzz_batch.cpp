// decode(): any bytes. The checksum is made right first, or hardly an input would reach the
// parsers. What decodes must encode again, to a batch that decodes to the same rows.
#include "batch_checksum.hpp"
#include "require.hpp"
#include "spanring/codec/batch.hpp"

using namespace spanring;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    const auto batch = codec::decode(fuzz::with_right_header({data, data + count}));
    if (!batch) return 0;
    for (std::size_t i = 0; i < batch->rows.size(); ++i) (void)batch->span(i);
    const auto again = codec::encode(*batch);
    require(again.ok(), "what decodes encodes");
    const auto read = codec::decode(*again);
    require(read.ok() && read->rows.size() == batch->rows.size(), "and decodes again");
    require(*codec::encode(*read) == *again, "to the same batch");
    return 0;
}
