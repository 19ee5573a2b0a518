// `spanring operations`: the span names of each service, with counts.
#include <algorithm>
#include <memory>
#include <tuple>

#include "commands.hpp"
#include "json.hpp"
#include "select.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using store::OperationSummary;

std::string as_json(const std::vector<OperationSummary>& operations) {
    Json json;
    json.open_array();
    for (const OperationSummary& operation : operations) {
        json.open_object()
            .field("service", operation.service)
            .field("operation", operation.operation)
            .field("kind", to_string(operation.kind))
            .field("count", operation.count)
            .field("errors", operation.error_count)
            .close_object();
    }
    json.close_array();
    return json.line();
}

std::string as_table(const std::vector<OperationSummary>& operations) {
    const Terminal terminal = Terminal::of(1);
    Table table({{"SERVICE", Table::Align::kLeft, 32},
                 {"OPERATION", Table::Align::kLeft, 60},
                 {"KIND"},
                 {"COUNT", Table::Align::kRight},
                 {"ERRORS", Table::Align::kRight}});
    for (const OperationSummary& operation : operations) {
        const std::string errors = format_count(operation.error_count);
        table.row({terminal.paint(style_of_name(operation.service),
                                  cut_to_width(printable(operation.service), 32)),
                   printable(operation.operation), to_string(operation.kind),
                   format_count(operation.count),
                   terminal.paint(operation.error_count == 0 ? Style::kDim : Style::kRed, errors)});
    }
    return table.render(terminal);
}

Result<int> list_operations(const GlobalOptions& options, const std::string& service) {
    auto reader = open_database(options);
    if (!reader) return std::move(reader).error();
    auto operations =
        (*reader)->operations(service.empty() ? std::nullopt : std::optional<std::string>(service));
    if (!operations) return std::move(operations).error();
    remark_warnings(**reader, options);
    std::sort(operations->begin(), operations->end(),
              [](const OperationSummary& a, const OperationSummary& b) {
                  return std::tie(a.service, a.operation, a.kind) <
                         std::tie(b.service, b.operation, b.kind);
              });
    if (operations->empty() && !options.quiet) {
        remark(service.empty() ? "no spans yet" : "no spans of service '" + service + "'");
    }
    if (auto done = print(options.json ? as_json(*operations) : as_table(*operations)); !done) {
        return std::move(done).error();
    }
    return kExitOk;
}

}  // namespace

void add_operations(CLI::App& app, Session& session) {
    CLI::App* command = new_command(app, session, "operations", "List span names, with counts",
                                    "spanring operations\n"
                                    "spanring operations cart --json");
    auto service = std::make_shared<std::string>();
    command->add_option("SERVICE,-s,--service", *service, "Of this service only");
    command->callback([&session, service] {
        session.action = [&session, service] { return list_operations(session.options, *service); };
    });
}

}  // namespace spanring::tools
