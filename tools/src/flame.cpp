// `spanring flame`: where the time of many traces goes, as folded stacks or a picture.
#include "spanring/analysis/flame.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "commands.hpp"
#include "select.hpp"
#include "spanring/query/search.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

constexpr std::size_t kFlameTraces = 1000;
constexpr std::size_t kFlameTracesLimit = 1'000'000;
constexpr std::size_t kTogether = 256;  // traces that are held in memory

struct FlameOptions {
    Selection selection;
    query::SearchOptions search{.limit = kFlameTraces, .spans_per_set = 0};
    bool slowest{false};
    bool svg{false};
};

Result<int> show_flame(const GlobalOptions& options, const FlameOptions& wanted) {
    auto query = to_query(wanted.selection, realtime_now_ns());
    if (!query) return std::move(query).error();
    query::SearchOptions search = wanted.search;
    if (wanted.slowest) search.order = query::SearchOptions::Order::kSlowest;
    auto reader = open_database(options);
    if (!reader) return std::move(reader).error();
    auto found = query::search(**reader, *query, search);
    if (!found) return std::move(found).error().in("flame");
    analysis::Flame flame;
    ProgressLine progress("traces", options.quiet);
    for (std::size_t begin = 0; begin < found->traces.size(); begin += kTogether) {
        std::vector<TraceId> ids;
        for (std::size_t i = begin; i < std::min(begin + kTogether, found->traces.size()); ++i)
            ids.push_back(found->traces[i].summary.trace_id);
        for (const auto& spans : (*reader)->collect(ids))
            if (!spans.empty()) flame.add(spans);
        progress.update(begin, found->traces.size(), "traces");
    }
    progress.clear();
    remark_warnings(**reader, options);
    if (flame.empty() && !options.quiet) remark("no trace matches");
    const std::string title = fmt::format("{} traces", format_count(flame.traces()));
    if (auto done = print(wanted.svg ? flame.svg(title) : flame.folded()); !done)
        return std::move(done).error();
    return kExitOk;
}

}  // namespace

void add_flame(CLI::App& app, Session& session) {
    CLI::App* command = new_command(
        app, session, "flame", "Lay many traces over each other: where the time goes",
        "spanring flame --svg > flame.svg      (a picture for the browser)\n"
        "spanring flame --service cart --since 15m > folded.txt\n"
        "spanring flame --query '{ name = \"GET /cart\" }' --slowest --limit 100 --svg > slow.svg");
    auto wanted = std::make_shared<FlameOptions>();
    add_selection(*command, wanted->selection);
    command->add_option("-n,--limit", wanted->search.limit, "Of so many traces, the newest")
        ->check(CLI::Range(std::size_t{1}, kFlameTracesLimit))
        ->type_name("N")
        ->capture_default_str();
    command->add_flag("--slowest", wanted->slowest, "Of those with the longest matching span");
    command->add_flag("--svg", wanted->svg, "A picture; else a line for each stack, in µs");
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return show_flame(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
