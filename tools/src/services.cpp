// `spanring services`: who has sent spans.
#include "commands.hpp"
#include "json.hpp"
#include "select.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

Result<int> list_services(const GlobalOptions& options) {
    auto reader = open_database(options);
    if (!reader) return std::move(reader).error();
    auto services = (*reader)->services();
    if (!services) return std::move(services).error();
    remark_warnings(**reader, options);
    std::string out;
    if (options.json) {
        Json json;
        json.open_array();
        for (const std::string& service : *services) json.value(service);
        json.close_array();
        out = json.line();
    } else {
        for (const std::string& service : *services) out += printable(service) + "\n";
        if (services->empty() && !options.quiet) remark("no spans yet");
    }
    if (auto done = print(out); !done) return std::move(done).error();
    return kExitOk;
}

}  // namespace

void add_services(CLI::App& app, Session& session) {
    CLI::App* command = new_command(app, session, "services", "List the services that sent spans",
                                    "spanring services\n"
                                    "spanring services --json");
    command->callback(
        [&session] { session.action = [&session] { return list_services(session.options); }; });
}

}  // namespace spanring::tools
