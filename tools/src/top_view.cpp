#include <fmt/format.h>

#include <algorithm>

#include "json.hpp"
#include "top.hpp"

namespace spanring::tools {
namespace {

double rate_of(const TopView& view, const ProducerView& producer) {
    const auto found = view.measured.instance_rate.find(producer.instance);
    return found == view.measured.instance_rate.end() ? 0 : found->second;
}

// The busiest first; equal ones by pid, so that lines stay where they are.
std::vector<const ProducerView*> sorted(const TopView& view) {
    std::vector<const ProducerView*> producers;
    for (const ProducerView& producer : view.rings.producers) producers.push_back(&producer);
    std::stable_sort(producers.begin(), producers.end(),
                     [&](const ProducerView* a, const ProducerView* b) {
                         const double rate_a = rate_of(view, *a);
                         const double rate_b = rate_of(view, *b);
                         return rate_a != rate_b ? rate_a > rate_b : a->pid < b->pid;
                     });
    return producers;
}

std::string processes_table(const TopView& view, const Terminal& terminal) {
    Table table({{"PID", Table::Align::kRight},
                 {"PROCESS", Table::Align::kLeft, 32},
                 {"G /s", Table::Align::kRight},
                 {"RING"},
                 {"", Table::Align::kRight},
                 {"THREADS", Table::Align::kRight},
                 {"LOST", Table::Align::kRight}});
    for (const ProducerView* producer : sorted(view)) {
        const double fill = producer->fill();
        const Style style = fill > 0.9 ? Style::kRed : fill > 0.5 ? Style::kYellow : Style::kGreen;
        const std::uint64_t lost = producer->lost.total();
        table.row({std::to_string(producer->pid),
                   printable(producer->process) + (producer->alive ? "" : " (ended)"),
                   format_rate(rate_of(view, *producer)), terminal.paint(style, bar(fill, 12)),
                   fmt::format("{:.0f} %", fill * 100), std::to_string(producer->threads),
                   terminal.paint(lost == 0 ? Style::kDim : Style::kRed, format_count(lost))});
    }
    return table.render(terminal);
}

std::string days_text(const TopView& view) {
    const auto days = view.days_left();
    if (!days) return "not growing";
    if (*days > 3650) return "full in more than 10 years";
    return "full in " + format_duration(static_cast<std::int64_t>(*days * 86400e9));
}

}  // namespace

double TopView::in_flight_computed() const noexcept {
    return measured.tracepoints_per_second * measured.delay_ns_mean / 1e9;
}

double TopView::bytes_per_day() const noexcept {
    return measured.seconds > 0 ? static_cast<double>(measured.bytes) / measured.seconds * 86400
                                : 0;
}

std::optional<double> TopView::days_left() const noexcept {
    const double growth = bytes_per_day();
    if (growth <= 0) return std::nullopt;
    const std::uint64_t below_limit =
        database_bytes_max > database_bytes ? database_bytes_max - database_bytes : 0;
    return static_cast<double>(std::min(below_limit, disk_free_bytes)) / growth;
}

std::string top_json(const TopView& view) {
    const Measurement& measured = view.measured;
    Json json;
    json.open_object()
        .field("seconds", measured.seconds)
        .field("consumer_pid", view.rings.consumer_pid)
        .field("tracepoints_per_second", measured.tracepoints_per_second)
        .field("spans_per_second", measured.spans_per_second)
        .field("delay_ns_p50", measured.delay_ns_p50)
        .field("delay_ns_p99", measured.delay_ns_p99)
        .field("delay_ns_mean", measured.delay_ns_mean)
        .field("bytes_per_tracepoint", measured.bytes_per_tracepoint)
        .field("bytes_per_span", measured.bytes_per_span)
        .field("in_flight", view.in_flight)
        .field("in_flight_samples", view.in_flight_samples)
        .field("rate_times_delay", view.in_flight_computed())
        .field("database_bytes", view.database_bytes)
        .field("database_bytes_max", view.database_bytes_max)
        .field("disk_free_bytes", view.disk_free_bytes)
        .field("bytes_per_day", view.bytes_per_day())
        .field("days_left", view.days_left())
        .field("lost_total", view.lost)
        .key("producers")
        .open_array();
    for (const ProducerView* producer : sorted(view)) {
        json.open_object()
            .field("pid", producer->pid)
            .field("process", producer->process)
            .field("alive", producer->alive)
            .field("tracepoints_per_second", rate_of(view, *producer))
            .field("ring_fill", producer->fill())
            .field("threads", producer->threads)
            .field("pending_tracepoints", producer->pending_tracepoints)
            .key("lost");
        write_losses(json, producer->lost);
        json.close_object();
    }
    json.close_array().close_object();
    return json.line();
}

std::string top_text(const TopView& view, const Terminal& terminal) {
    const Measurement& measured = view.measured;
    const auto dim = [&](const std::string& text) { return terminal.paint(Style::kDim, text); };
    const auto law = [&](const char* letter, const std::string& value, const std::string& rest) {
        const std::size_t width = display_width(value);
        return terminal.paint(Style::kBold, letter) + "  " + value +
               std::string(width < 14 ? 14 - width : 1, ' ') + dim(rest) + "\n";
    };
    std::string out = terminal.paint(Style::kBold, "spanring");
    out += view.rings.consumer_pid
               ? fmt::format("  consumer {}", *view.rings.consumer_pid < 0
                                                  ? std::string("(other pid namespace)")
                                                  : std::to_string(*view.rings.consumer_pid))
               : "  " + terminal.paint(Style::kYellow, "no consumer runs: `spanring up`");
    out += dim("  " + format_time(realtime_now_ns()).substr(11, 8) + "  over " +
               format_duration(static_cast<std::int64_t>(measured.seconds * 1e9))) +
           "\n\n";
    out += law("G", format_rate(measured.tracepoints_per_second) + "/s",
               "tracepoints, " + format_rate(measured.spans_per_second) + " spans a second");
    out += law("D", measured.delay_ns_p50 == 0 ? "–" : format_duration(measured.delay_ns_p50),
               measured.delay_ns_p99 == 0
                   ? std::string("end of span to committed: no spans now")
                   : "p50 end of span to committed, p99 " + format_duration(measured.delay_ns_p99));
    out += law("C", fmt::format("{:.2f} B", measured.bytes_per_tracepoint),
               fmt::format("a tracepoint, {:.1f} B a span", measured.bytes_per_span));
    out += law("R", format_rate(view.in_flight),
               "tracepoints in flight, counted; G × D = " + format_rate(view.in_flight_computed()));
    out += law(
        "S", format_bytes(view.database_bytes),
        fmt::format(
            "of {}, {} a day, {}", format_bytes(view.database_bytes_max),
            format_bytes(static_cast<std::uint64_t>(std::clamp(view.bytes_per_day(), 0.0, 1e18))),
            days_text(view)));
    out += view.lost == 0 ? law("·", terminal.paint(Style::kGreen, "nothing lost"), "")
                          : law("✗", terminal.paint(Style::kRed, format_count(view.lost) + " lost"),
                                "`spanring status` says of whom and why");
    if (view.rings.producers.empty()) return out + dim("\nno process traces at the moment") + "\n";
    return out + "\n" + processes_table(view, terminal);
}

}  // namespace spanring::tools
