// `spanring tail`: spans as they are committed.
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <thread>

#include "commands.hpp"
#include "select.hpp"
#include "spanring/codec/jsonl.hpp"
#include "term.hpp"
#include "value.hpp"

namespace spanring::tools {
namespace {

using codec::Span;

// Half of what people notice as a delay.
constexpr std::chrono::milliseconds kPollInterval{50};

struct TailOptions {
    Selection selection;
    bool verbose{false};
    std::uint64_t limit{0};  // 0: until interrupted
};

std::string span_line(const Span& span, const Terminal& terminal, bool verbose) {
    const std::string service = codec::service_of(span);
    const bool failed = span.status == codec::StatusCode::kError;
    const std::string duration = span.duration_ns ? format_duration(*span.duration_ns) : "–";
    std::string line =
        terminal.paint(Style::kDim, span.start_ns ? format_time(*span.start_ns).substr(11)
                                                  : std::string("--:--:--.---"));
    line += std::string(11 - std::min<std::size_t>(11, display_width(duration)), ' ') + duration;
    line += failed ? terminal.paint(Style::kRed, " ✗ ") : std::string("   ");
    line += terminal.paint(style_of_name(service), printable(service)) + "  " +
            printable(span.name) +
            terminal.paint(Style::kDim, "  " + to_hex(span.trace_id, span.trace_id_64));
    if (span.end_lost) line += terminal.paint(Style::kYellow, "  (end lost)");
    if (span.unfinished) line += terminal.paint(Style::kYellow, "  (unfinished)");
    if (failed && !span.status_message.empty()) {
        line += "  " + terminal.paint(Style::kRed, printable(span.status_message));
    }
    line += "\n";
    if (verbose) {
        for (const auto& [key, value] : span.attributes) {
            line += std::string(26, ' ') + terminal.paint(Style::kDim, printable(key) + " = ") +
                    value_text(value) + "\n";
        }
    }
    return line;
}

Result<int> follow(const GlobalOptions& options, const TailOptions& wanted) {
    auto condition = to_condition(wanted.selection, realtime_now_ns());
    if (!condition) return std::move(condition).error();
    const auto matcher = store::Matcher::make(*condition);
    if (!matcher) return matcher.error();
    auto reader = open_database(options);
    if (!reader) return std::move(reader).error();
    const Terminal terminal = Terminal::of(1);
    catch_interrupts();
    if (!options.quiet && terminal.interactive) remark("new spans appear here; Ctrl-C ends");

    std::uint64_t position = (*reader)->newest_frame();
    std::uint64_t shown = 0;
    const auto wanted_all = [&] { return wanted.limit != 0 && shown >= wanted.limit; };
    while (!interrupted() && !wanted_all()) {
        std::string out;
        auto newest = (*reader)->visit_after(position, [&](const Span& span) {
            if (!matcher->matches(span)) return true;
            if (options.json) {
                out += codec::to_jsonl(span);
                if (out.back() != '\n') out += '\n';
            } else {
                out += span_line(span, terminal, wanted.verbose);
            }
            ++shown;
            return !wanted_all();
        });
        if (!newest) return std::move(newest).error();
        if (auto done = print(out); !done) return std::move(done).error();
        position = *newest;
        if (wanted_all()) break;
        std::this_thread::sleep_for(kPollInterval);
        if (auto fresh = (*reader)->refresh(); !fresh) return std::move(fresh).error();
    }
    remark_warnings(**reader, options);
    return kExitOk;
}

}  // namespace

void add_tail(CLI::App& app, Session& session) {
    CLI::App* command = new_command(app, session, "tail", "Show spans as they are stored",
                                    "spanring tail\n"
                                    "spanring tail --service cart --min 10ms\n"
                                    "spanring tail --error -v\n"
                                    "spanring tail --json --limit 100 > sample.jsonl");
    auto wanted = std::make_shared<TailOptions>();
    add_selection(*command, wanted->selection);
    command->add_flag("-v,--verbose", wanted->verbose, "Attributes too");
    command->add_option("-n,--limit", wanted->limit, "End after so many spans")->type_name("N");
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return follow(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
