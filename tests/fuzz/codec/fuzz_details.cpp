// DetailReader and attribute_value(): any bytes; and a row that has them as its details.
#include <cstring>

#include "spanring/codec/batch.hpp"
#include "spanring/codec/details.hpp"

using namespace spanring;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    codec::Batch batch;
    (void)batch.intern("key");
    batch.details.resize(count);
    if (count > 0) std::memcpy(batch.details.data(), data, count);
    codec::DetailReader reader(batch.details);
    for (codec::Detail detail; reader.next(&detail);) (void)codec::attribute_value(detail);

    codec::Row row;
    row.details_bytes = static_cast<std::uint32_t>(count);
    batch.rows.push_back(row);
    (void)batch.span(0);
    const auto bytes = codec::encode(batch);
    if (bytes && !codec::decode(*bytes)) __builtin_trap();  // what we write, we read
    return 0;
}
