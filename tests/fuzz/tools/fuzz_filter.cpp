// What --service, --min, --since, --query and the others may say: a condition, or one line that
// names the flag.
#include <fuzzer/FuzzedDataProvider.h>

#include "require.hpp"
#include "select.hpp"
#include "term.hpp"

using namespace spanring;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    FuzzedDataProvider in(data, count);
    tools::Selection selection;
    for (std::string* text : {&selection.service, &selection.operation, &selection.duration_min,
                              &selection.duration_max, &selection.since, &selection.until}) {
        *text = in.ConsumeRandomLengthString(32);
    }
    if (in.ConsumeBool()) selection.query = in.ConsumeRandomLengthString(256);
    while (in.remaining_bytes() > 0 && selection.attributes.size() < 8) {
        selection.attributes.push_back(in.ConsumeRandomLengthString(64));
    }
    constexpr std::int64_t kNow = 1'700'000'000'000'000'000;
    const auto filter = tools::to_condition(selection, kNow);
    if (!filter) {
        const std::string& said = filter.error().message;
        require(said.find("--") != std::string::npos, "an error names the flag");
        require(tools::printable(said).find('\n') == std::string::npos,
                "an error is one line as it is printed");
    }
    (void)tools::parse_trace_id(selection.service);
    return 0;
}
