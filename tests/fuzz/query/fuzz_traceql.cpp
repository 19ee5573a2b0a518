// Any text as TraceQL: a fault inside the text, or a query that reads the same when it is written,
// and that a search, a series and a look at all spans answer alike.
#include <cstdint>
#include <set>
#include <string_view>

#include "require.hpp"
#include "small_database.hpp"
#include "spanring/query/search.hpp"
#include "spanring/query/series.hpp"
#include "spanring/query/traceql.hpp"

namespace {

using namespace spanring;
using fuzz::require;

store::Reader& reader() {
    static const auto opened = [] {
        auto made = store::Reader::open(fuzz::small_database());
        require(made.ok(), "the database can be opened");
        return std::move(*made);
    }();
    return *opened;
}

void search(const query::Query& asked) {
    query::SearchOptions options;
    options.limit = 2;
    std::set<TraceId> found;
    for (int page = 0;; ++page) {
        require(page < 4, "three traces are two pages");
        const auto result = query::search(reader(), asked, options);
        if (!result) return;
        for (const auto& trace : result->traces)
            require(found.insert(trace.summary.trace_id).second, "a trace is on one page");
        if (!result->next) break;
        options.cursor = result->next;
    }
    for (std::uint8_t first = 1; first <= 3; ++first) {
        TraceId id;
        id.bytes[0] = first;
        const auto spans = reader().trace(id);
        require(spans.ok(), "the traces are there");
        const auto sets = query::spansets_of(*spans, asked);
        require(sets.ok() && sets->empty() == (found.count(id) == 0),
                "a search finds what the trace's spans satisfy");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    const std::string_view text(reinterpret_cast<const char*>(data), count);
    query::Fault fault;
    const auto parsed = query::parse(text, &fault);
    if (!parsed) {
        require(fault.column >= 1 && fault.column <= count + 1, "a fault is inside the text");
        require(!fault.what.empty(), "and says what it is");
        (void)fault.picture(text);
        return 0;
    }
    const auto again = query::parse(to_string(*parsed), &fault);
    require(again.has_value() && *again == *parsed, "what is written reads the same");
    if (parsed->series) {
        constexpr std::int64_t kStart = 1'700'000'000'000'000'000;
        (void)query::series_of(reader(), *parsed, {kStart, kStart + 12'000'000, 1'000'000});
    } else {
        search(*parsed);
    }
    return 0;
}
