// Figures of whole processes: idle consumer, segments of many threads, start and restart
// (bench/process_steps.py runs it).
#include <CLI/CLI.hpp>

#include "consumer_beside.hpp"
#include "scenarios.hpp"

namespace spanring::bench {
namespace {

void add_idle(CLI::App& app) {
    CLI::App* command = app.add_subcommand("idle", "Processor time of an idle consumer");
    auto seconds = std::make_shared<double>(10);
    command->add_option("--seconds", *seconds)->check(CLI::Range(0.1, 600.0));
    command->callback([seconds] { idle(*seconds); });
}

void add_threads(CLI::App& app) {
    CLI::App* command = app.add_subcommand("threads", "A segment's bytes with many threads");
    auto options = std::make_shared<ThreadsOptions>();
    command->add_option("--threads", options->threads)->check(CLI::Range(1, 20'000));
    command->add_option("--every-ms", options->every_ms)->check(CLI::Range(0.1, 60'000.0));
    command->add_option("--spans", options->spans)->check(CLI::Range(1, 10'000));
    command->add_option("--seconds", options->seconds)->check(CLI::Range(0.1, 600.0));
    command->add_option("--per-second", options->per_second)->check(CLI::Range(0.0, 1e6));
    command->callback([options] { threads(*options); });
}

void add_starts(CLI::App& app) {
    auto rounds = std::make_shared<unsigned>(7);
    auto rate = std::make_shared<double>(100'000);
    CLI::App* first = app.add_subcommand("start", "From a start to the first queryable span");
    first->add_option("--rounds", *rounds)->check(CLI::Range(1, 100));
    first->callback([rounds] { start(*rounds); });
    CLI::App* again = app.add_subcommand("restart", "From a start after SIGKILL to draining");
    again->add_option("--rounds", *rounds)->check(CLI::Range(1, 100));
    again->add_option("--rate", *rate, "Spans per second")->check(CLI::Range(10.0, 1e7));
    again->callback([rounds, rate] { restart(*rounds, *rate); });
}

void add_wake(CLI::App& app) {
    struct Options {
        unsigned periods{20};
        unsigned silence_ms{200};
        unsigned spans{100};
    };
    auto options = std::make_shared<Options>();
    CLI::App* command = app.add_subcommand("wake", "A producer that wakes its consumer");
    command->add_option("--periods", options->periods)->check(CLI::Range(1, 1000));
    command->add_option("--silence-ms", options->silence_ms)->check(CLI::Range(1, 10'000));
    command->add_option("--spans", options->spans)->check(CLI::Range(1, 10'000));
    command->callback(
        [options] { bursts_after_silence(options->periods, options->silence_ms, options->spans); });
}

int run(int argc, char** argv) {
    CLI::App app{"Figures of whole processes"};
    app.require_subcommand(1);
    add_idle(app);
    add_threads(app);
    add_starts(app);
    add_wake(app);
    CLI11_PARSE(app, argc, argv);
    return 0;
}

}  // namespace
}  // namespace spanring::bench

int main(int argc, char** argv) {
    return spanring::bench::run(argc, argv);
}
