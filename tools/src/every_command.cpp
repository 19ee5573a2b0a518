#include "commands.hpp"

namespace spanring::tools {

void add_every_command(CLI::App& app, Session& session) {
    add_up(app, session);
    add_down(app, session);
    add_status(app, session);
    add_run(app, session);
    add_top(app, session);
    add_tail(app, session);
    add_services(app, session);
    add_operations(app, session);
    add_stats(app, session);
    add_diff(app, session);
    add_flame(app, session);
    add_series(app, session);
    add_deps(app, session);
    add_attributes(app, session);
    add_sql(app, session);
    add_traces(app, session);
    add_trace(app, session);
    add_export(app, session);
    add_replay(app, session);
    add_emit(app, session);
    add_generate(app, session);
    add_bench(app, session);
    add_plan(app, session);
    add_doctor(app, session);
    add_inspect(app, session);
    add_fsck(app, session);
    add_compact(app, session);
    add_limits(app, session);
    add_version(app, session);
}

}  // namespace spanring::tools
