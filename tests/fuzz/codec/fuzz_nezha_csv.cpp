// NezhaCsvReader: any file, also behind a right header.
#include <sstream>

#include "spanring/codec/nezha_csv.hpp"

using namespace spanring;

namespace {

void read_all(const std::string& text) {
    std::istringstream in(text);
    codec::NezhaCsvReader reader(in, "fuzz");
    for (auto span = reader.next(); span.ok() && span->has_value(); span = reader.next()) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    const std::string text(reinterpret_cast<const char*>(data), count);
    read_all(text);
    read_all(
        "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,"
        "Duration\n" +
        text);
    return 0;
}
