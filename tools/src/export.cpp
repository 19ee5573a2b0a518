// `spanring export`: spans as JSON lines, for other tools.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <memory>

#include "commands.hpp"
#include "select.hpp"
#include "spanring/codec/jsonl.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

constexpr std::size_t kBufferBytes = 1u << 20;  // a write per ~2,000 spans: out of the profile

struct ExportOptions {
    Selection selection;
    std::string format{"jsonl"};
    std::string output;
    std::string trace_id;
};

/// Collects lines and writes them in large pieces.
class LineWriter {
public:
    explicit LineWriter(int fd) : fd_(fd) { buffer_.reserve(kBufferBytes + 4096); }

    Result<void> add(const std::string& line) {
        buffer_ += line;
        if (line.empty() || line.back() != '\n') buffer_ += '\n';
        return buffer_.size() < kBufferBytes ? Result<void>() : flush();
    }

    Result<void> flush() {
        std::string_view rest = buffer_;
        while (!rest.empty()) {
            const ssize_t written = ::write(fd_, rest.data(), rest.size());
            if (written < 0 && errno == EINTR && !interrupted()) continue;
            if (written < 0) return os_error(errno, "cannot write the spans");
            rest.remove_prefix(static_cast<std::size_t>(written));
        }
        buffer_.clear();
        return {};
    }

private:
    int fd_;
    std::string buffer_;
};

Result<int> open_output(const std::string& path) {
    if (path.empty() || path == "-") return STDOUT_FILENO;
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return os_error(errno, "cannot write " + path);
    return fd;
}

Result<int> export_spans(const GlobalOptions& options, const ExportOptions& wanted) {
    auto condition = to_condition(wanted.selection, realtime_now_ns());
    if (!condition) return std::move(condition).error();
    if (!wanted.trace_id.empty()) {
        auto id = parse_trace_id(wanted.trace_id);
        if (!id) return std::move(id).error();
        condition =
            store::Condition::all_of({store::SpanFilter{.trace_id = *id}, std::move(*condition)});
    }
    auto reader = open_database(options);
    if (!reader) return std::move(reader).error();
    auto fd = open_output(wanted.output);
    if (!fd) return std::move(fd).error();

    catch_interrupts();
    LineWriter writer(*fd);
    Result<void> written;
    std::uint64_t spans = 0;
    {
        // Progress would only disturb spans that scroll over the same terminal.
        ProgressLine progress("export", options.quiet || Terminal::of(*fd).interactive);
        auto visited = (*reader)->visit(
            *condition,
            [&](const codec::Span& span) {
                written = writer.add(codec::to_jsonl(span));
                ++spans;
                return written.ok() && !interrupted();
            },
            [&](std::uint64_t done, std::uint64_t total) { progress.update(done, total, "B"); });
        if (!visited) return std::move(visited).error();
    }
    if (written) written = writer.flush();
    if (*fd != STDOUT_FILENO && ::close(*fd) != 0 && written) {
        written = os_error(errno, "cannot write " + wanted.output);
    }
    if (!written) return std::move(written).error();
    remark_warnings(**reader, options);
    if (interrupted()) {
        return Error{ErrorCode::kUnavailable,
                     fmt::format("interrupted after {} spans", format_count(spans))};
    }
    if (!options.quiet) remark(fmt::format("{} spans exported", format_count(spans)));
    return kExitOk;
}

}  // namespace

void add_export(CLI::App& app, Session& session) {
    CLI::App* command = new_command(app, session, "export", "Write spans as JSON lines",
                                    "spanring export > spans.jsonl\n"
                                    "spanring export --service cart --since 1h -o cart.jsonl\n"
                                    "spanring export --error | jq -r .name | sort | uniq -c");
    auto wanted = std::make_shared<ExportOptions>();
    add_selection(*command, wanted->selection);
    command->add_option("--trace", wanted->trace_id, "Of this trace")
        ->type_name("ID")
        ->group("Which spans");
    command->add_option("--format", wanted->format, "Form of the output")
        ->check(CLI::IsMember({"jsonl"}))
        ->capture_default_str();
    command->add_option("-o,--output", wanted->output, "Into this file, instead of stdout")
        ->type_name("FILE");
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return export_spans(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
