// `spanring version`: of the program, the shared-memory ABI and the clock.
#include <fmt/format.h>

#include "commands.hpp"
#include "json.hpp"
#include "spanring/abi/segment_layout.h"
#include "spanring/shm/clock.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

Result<int> show_version(const GlobalOptions& options) {
    const bool tsc = shm::clock_kind() == SPANRING_CLOCK_TSC;
    const std::string abi = fmt::format("{}.{}", SPANRING_ABI_MAJOR, SPANRING_ABI_MINOR);
    const std::string fingerprint = fmt::format("{:08x}", SPANRING_LAYOUT_FINGERPRINT);
    std::string out;
    if (options.json) {
        Json json;
        json.open_object()
            .field("version", SPANRING_VERSION)
            .field("abi", abi)
            .field("layout_fingerprint", fingerprint)
            .field("clock", tsc ? "tsc" : "monotonic")
            .close_object();
        out = json.line();
    } else {
        out = fmt::format(
            "spanring {}\nshared-memory ABI {}, layout {}\nclock of tracepoints: {}\n",
            SPANRING_VERSION, abi, fingerprint, tsc ? "the CPU's counter" : "CLOCK_MONOTONIC");
    }
    if (auto done = print(out); !done) return std::move(done).error();
    return kExitOk;
}

}  // namespace

void add_version(CLI::App& app, Session& session) {
    CLI::App* command = new_command(app, session, "version", "Print versions of program and ABI",
                                    "spanring version\nspanring version --json");
    command->callback(
        [&session] { session.action = [&session] { return show_version(session.options); }; });
}

}  // namespace spanring::tools
