#include "run_table.hpp"

#include <algorithm>

#include "json.hpp"

namespace spanring::tools {

void OperationTable::add(const codec::Span& span) {
    Totals& totals = totals_[{codec::service_of(span), span.name}];
    totals.count += 1;
    totals.errors += span.status == codec::StatusCode::kError ? 1 : 0;
    if (span.duration_ns) {
        totals.total_ns += *span.duration_ns;
        totals.durations.add(*span.duration_ns);
    }
    ++spans_;
}

std::vector<const OperationTable::Entry*> OperationTable::sorted() const {
    std::vector<const Entry*> entries;
    for (const Entry& entry : totals_) entries.push_back(&entry);
    std::stable_sort(entries.begin(), entries.end(), [](const Entry* a, const Entry* b) {
        return a->second.total_ns > b->second.total_ns;
    });
    return entries;
}

std::string OperationTable::text(const Terminal& terminal) const {
    Table table({{"SERVICE", Table::Align::kLeft, 32},
                 {"OPERATION", Table::Align::kLeft, 48},
                 {"COUNT", Table::Align::kRight},
                 {"ERRORS", Table::Align::kRight},
                 {"TOTAL", Table::Align::kRight},
                 {"P50", Table::Align::kRight},
                 {"P99", Table::Align::kRight}});
    for (const Entry* entry : sorted()) {
        const auto& [service, operation] = entry->first;
        const Totals& totals = entry->second;
        table.row({terminal.paint(style_of_name(service), cut_to_width(printable(service), 32)),
                   printable(operation), format_count(totals.count),
                   terminal.paint(totals.errors == 0 ? Style::kDim : Style::kRed,
                                  format_count(totals.errors)),
                   format_duration(totals.total_ns),
                   format_duration(totals.durations.percentile(0.5)),
                   format_duration(totals.durations.percentile(0.99))});
    }
    return table.render(terminal);
}

std::string OperationTable::json(const std::string& trace_id, int exit_code) const {
    Json json;
    json.open_object()
        .field("trace_id", trace_id)
        .field("exit_code", exit_code)
        .field("spans", spans_)
        .key("operations")
        .open_array();
    for (const Entry* entry : sorted()) {
        const Totals& totals = entry->second;
        json.open_object()
            .field("service", entry->first.first)
            .field("operation", entry->first.second)
            .field("count", totals.count)
            .field("errors", totals.errors)
            .field("total_ns", totals.total_ns)
            .field("p50_ns", totals.durations.percentile(0.5))
            .field("p99_ns", totals.durations.percentile(0.99))
            .close_object();
    }
    json.close_array().close_object();
    return json.line();
}

}  // namespace spanring::tools
