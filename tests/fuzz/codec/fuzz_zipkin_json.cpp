// read_zipkin_json(): any text. What is read can be stored.
#include "spanring/codec/batch.hpp"
#include "spanring/codec/zipkin_json.hpp"

using namespace spanring;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    const auto spans = codec::read_zipkin_json({reinterpret_cast<const char*>(data), count});
    if (!spans) return 0;
    codec::Batch batch;
    for (const codec::Span& span : *spans) batch.add(span);
    if (!codec::encode(batch)) __builtin_trap();
    return 0;
}
