// `spanring emit`: random programs with an oracle, and the judge of what came out.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iostream>
#include <memory>

#include "commands.hpp"
#include "consumer_process.hpp"
#include "json.hpp"
#include "judge.hpp"
#include "parts.hpp"
#include "process.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using namespace emit;

struct Flags {
    EmitOptions options;
    std::string policy{"block"};
    std::vector<std::string> verify;
};

Result<void> check_consumer(const std::string& directory) {
    const Result<pid_t> pid = running_consumer(directory);
    if (!pid) return pid.error();
    if (*pid != 0) return {};
    return Error{ErrorCode::kUnavailable,
                 "no consumer is running on " + directory + "; start one with `spanring up`"};
}

/// Forks the emitting processes; they die with this one.
Result<std::vector<pid_t>> start(const EmitOptions& options, const std::string& parts) {
    const pid_t parent = ::getpid();
    const Dice dice(options.seed);
    std::vector<pid_t> pids;
    for (unsigned i = 0; i < options.processes; ++i) {
        const pid_t pid = ::fork();
        if (pid < 0) return os_error(errno, "cannot start an emitting process");
        if (pid == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGTERM);
            ::prctl(PR_SET_NAME, fmt::format("emit-{}", i).c_str());
            ::_exit(::getppid() == parent ? emit_process(options, i, dice.split(i), parts)
                                          : kProcessFailed);
        }
        pids.push_back(pid);
    }
    return pids;
}

/// Returns kExitOk, or what the worst of the processes deserves.
int wait_for(const std::vector<pid_t>& pids, bool die_inside) {
    int worst = kExitOk;
    for (const pid_t pid : pids) {
        int status = 0;
        while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        const bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        if (die_inside && killed) continue;
        if (WIFEXITED(status) && WEXITSTATUS(status) == kProcessOk && !die_inside) continue;
        if (WIFEXITED(status) && WEXITSTATUS(status) == kProcessNotQueryable) {
            remark(fmt::format("process {}: not all of its spans can be queried yet", pid));
            worst = std::max(worst, kExitNegative);
        } else {
            remark(fmt::format("process {} did not end well (status {:#x})", pid, status));
            worst = kExitFailure;
        }
    }
    return worst;
}

Result<int> emit_all(Flags& flags, const GlobalOptions& globals) {
    EmitOptions& options = flags.options;
    options.drop = flags.policy == "drop";
    if (options.oracle.empty()) {
        return Error{ErrorCode::kInvalidArgument,
                     "emit needs --oracle FILE, or --verify ORACLE EXPORT"};
    }
    Result<std::string> directory = ring_directory(globals);
    if (!directory) return std::move(directory).error();
    options.directory = *directory;
    if (const Result<void> consumer = check_consumer(*directory); !consumer) {
        return consumer.error();
    }
    Result<OracleParts> parts = OracleParts::make(options.oracle);
    if (!parts) return std::move(parts).error();
    const Result<std::vector<pid_t>> pids = start(options, parts->directory());
    if (!pids) return pids.error();
    const int code = wait_for(*pids, options.die_inside);
    const Result<std::uint64_t> lines = parts->merge();
    if (!lines) return lines.error();
    if (!globals.quiet) {
        remark(fmt::format("seed {}: {} processes × {} threads wrote {} lines into {}",
                           options.seed, options.processes, options.threads, format_count(*lines),
                           options.oracle));
        remark(
            fmt::format("compare: spanring export | spanring emit --verify {} -", options.oracle));
    }
    return code;
}

Result<void> print_verdict(const Verdict& verdict, bool as_json) {
    const Balance& b = verdict.total;
    if (as_json) {
        Json json;
        json.open_object().field("equal", verdict.equal());
        json.field("oracle_spans", verdict.oracle_spans);
        json.field("exported_spans", verdict.exported_spans);
        json.field("matched_spans", verdict.matched_spans);
        json.field("missing_spans", b.missing_spans).field("counted_spans", b.counted_spans);
        json.field("missing_ends", b.missing_ends).field("counted_ends", b.counted_ends);
        json.field("missing_details", b.missing_details)
            .field("counted_details", b.counted_details);
        json.field("differences", verdict.difference_count).close_object();
        return print(json.line());
    }
    std::string text = fmt::format(
        "{} spans in the oracle, {} exported, {} equal\n"
        "missing/counted as lost: spans {}/{}, ends {}/{}, details {}/{}\n",
        format_count(verdict.oracle_spans), format_count(verdict.exported_spans),
        format_count(verdict.matched_spans), b.missing_spans, b.counted_spans, b.missing_ends,
        b.counted_ends, b.missing_details, b.counted_details);
    for (const std::string& difference : verdict.differences) {
        text += "  " + printable(difference) + "\n";
    }
    text += verdict.equal() ? "EQUAL\n"
                            : fmt::format("DIFFERENT: {} differences\n", verdict.difference_count);
    return print(text);
}

Result<int> verify(const std::string& oracle_path, const std::string& export_path, bool as_json) {
    std::ifstream oracle(oracle_path, std::ios::binary);
    if (!oracle) return os_error(errno, oracle_path);
    std::ifstream file;
    if (export_path != "-") {
        file.open(export_path, std::ios::binary);
        if (!file) return os_error(errno, export_path);
    }
    std::istream& exported = export_path == "-" ? std::cin : file;
    const Result<Verdict> verdict = judge(oracle, oracle_path, exported, export_path);
    if (!verdict) return verdict.error();
    if (const Result<void> printed = print_verdict(*verdict, as_json); !printed) {
        return printed.error();
    }
    return verdict->equal() ? kExitOk : kExitNegative;
}

void add_flags(CLI::App& command, Flags& flags) {
    EmitOptions& options = flags.options;
    command.add_option("--processes", options.processes, "Emitting processes (3)")
        ->check(CLI::Range(1, 64));
    command.add_option("--threads", options.threads, "Threads of each (8)")
        ->check(CLI::Range(1, 256));
    command.add_option("--spans", options.spans, "Spans of each thread, about (1000)")
        ->check(CLI::Range(1, 100'000'000));
    command.add_option("--seed", options.seed, "The same seed makes the same programs (1)");
    command.add_option("--policy", flags.policy, "When the ring is full: block (default) or drop")
        ->check(CLI::IsMember({"block", "drop"}));
    command.add_option("--oracle", options.oracle, "Write down here what must come out");
    command.add_option("--duration", options.duration_s, "Go on for so many seconds instead")
        ->check(CLI::Range(0.0, 86400.0));
    command.add_option("--forks", options.forks, "Forks of each process, amid a trace (2)")
        ->check(CLI::Range(0, 1000));
    command.add_option("--ring-bytes", options.ring_bytes, "Largest ring (drop: small)");
    command.add_option("--page-bytes", options.page_bytes, "Page of the ring (by the seed)");
    command.add_option("--flush-timeout", options.flush_s,
                       "Seconds to wait until all can be queried (60)");
    command.add_flag("--die-inside", options.die_inside,
                     "At the end each process kills itself inside open spans");
    command
        .add_option("--verify", flags.verify,
                    "Compare: ORACLE and EXPORT (jsonl, - for stdin); exit 1 if different")
        ->expected(2);
}

}  // namespace

void add_emit(CLI::App& app, Session& session) {
    auto flags = std::make_shared<Flags>();
    CLI::App* command = new_command(
        app, session, "emit", "Run random instrumented programs and check what comes out",
        "spanring emit --seed 7 --oracle oracle.jsonl\n"
        "spanring export | spanring emit --verify oracle.jsonl -\n"
        "spanring emit --policy drop --seed 8 --oracle oracle.jsonl     rings overflow");
    add_flags(*command, *flags);
    command->callback([flags, &session] {
        session.action = [flags, &session]() -> Result<int> {
            if (flags->verify.empty()) return emit_all(*flags, session.options);
            return verify(flags->verify[0], flags->verify[1], session.options.json);
        };
    });
}

}  // namespace spanring::tools
