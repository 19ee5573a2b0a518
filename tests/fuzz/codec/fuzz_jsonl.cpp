// from_jsonl(): any line. What is read must be written as a line that reads back the same.
#include "spanring/codec/jsonl.hpp"

using namespace spanring;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    const auto span = codec::from_jsonl({reinterpret_cast<const char*>(data), count});
    if (!span) return 0;
    const std::string line = codec::to_jsonl(*span);
    const auto again = codec::from_jsonl(line);
    if (!again || codec::to_jsonl(*again) != line) __builtin_trap();
    return 0;
}
