// `spanring generate`: realistic traces straight into a database.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <memory>

#include "commands.hpp"
#include "generator.hpp"
#include "json.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/store/database.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

using Clock = std::chrono::steady_clock;

struct GenerateFlags {
    double spans{100'000};
    double rate{10'000};
    std::uint64_t seed{1};
    std::string start;
    bool foreign_ids{false};
    bool no_compact{false};
};

struct Made {
    std::string database;
    std::uint64_t spans{0};
    std::uint64_t traces{0};
    double seconds{0};
    store::CompactReport compacted;
};

/// When the first span begins: `--start`, else so that the last ones end about now.
Result<std::int64_t> start_of(const GenerateFlags& flags) {
    const std::int64_t now = realtime_now_ns();
    if (!flags.start.empty()) return parse_time(flags.start, now);
    return now - static_cast<std::int64_t>(flags.spans / flags.rate * 1e9);
}

/// Nobody's open spans or positions are lost: the snapshots of these frames do not tell them.
Result<void> must_be_free(const store::Writer& writer, const std::string& path) {
    const store::RecoveredState& state = writer.recovered();
    if (state.instances.empty() && state.open_spans.rows.empty() && state.deferred.empty())
        return {};
    return Error{ErrorCode::kBusy,
                 path +
                     ": holds spans that are still open; run `spanring up` and `spanring down` "
                     "once to end them, or give another folder with --db"};
}

class Filler {
public:
    Filler(store::Writer& writer, generate::Generator& generator)
        : writer_(writer), generator_(generator) {}

    /// Commits the next spans; *more: whether there are any.
    Result<void> commit(bool* more) {
        batch_.clear();
        *more = generator_.fill(batch_);
        store::Frame frame;
        frame.snapshot = writer_.wants_snapshot();
        if (frame.snapshot || !*more) frame.instances = generator_.instances(!*more);
        auto encoded = encoder_.encode(batch_);
        if (!encoded) return std::move(encoded).error();
        frame.batches.push_back(std::move(*encoded));
        store::BatchFacts facts{store::facts_of(batch_)};
        const auto summary = store::summary_of(facts);
        auto committed = writer_.commit(frame, summary, std::move(facts));
        if (!committed) return std::move(committed).error();
        spans_ += batch_.rows.size();
        return {};
    }
    [[nodiscard]] std::uint64_t spans() const noexcept { return spans_; }

private:
    store::Writer& writer_;
    generate::Generator& generator_;
    codec::Encoder encoder_;
    codec::Batch batch_;
    std::uint64_t spans_{0};
};

Result<void> fill(const std::string& path, const generate::GenerateOptions& wanted, bool quiet,
                  Made* made) {
    // Windows and their ages are those of the traces, not of the machine that makes them.
    std::atomic<std::int64_t> now_ns{wanted.start_ns};
    store::WriterOptions options;
    // relaxed: one number, that nothing else hangs on
    options.now_ns = [&now_ns] { return now_ns.load(std::memory_order_relaxed); };
    options.database_bytes_max = std::numeric_limits<std::int64_t>::max();
    options.retention = std::chrono::hours(24 * 365 * 100);
    options.compaction.enabled = false;
    auto writer = store::Writer::open(path, options);
    if (!writer) return std::move(writer).error();
    if (auto free = must_be_free(**writer, path); !free) return free;
    generate::Generator generator(wanted);
    Filler filler(**writer, generator);
    ProgressLine progress("generate", quiet);
    for (bool more = true; more && !interrupted();) {
        if (auto committed = filler.commit(&more); !committed) return committed;
        // relaxed: as above
        now_ns.store(generator.now_ns(), std::memory_order_relaxed);
        progress.update(filler.spans(), wanted.spans, "spans");
    }
    made->spans = filler.spans();
    made->traces = generator.traces();
    return (*writer)->index_now();
}

std::string as_json(const Made& made) {
    Json json;
    json.open_object()
        .field("database", made.database)
        .field("spans", made.spans)
        .field("traces", made.traces)
        .field("bytes", made.compacted.bytes_after)
        .field("seconds", made.seconds)
        .close_object();
    return json.line();
}

std::string as_text(const Made& made) {
    std::string out =
        fmt::format("{} spans of {} traces, {} services, in {}\n", format_count(made.spans),
                    format_count(made.traces), generate::kServices,
                    format_duration(static_cast<std::int64_t>(made.seconds * 1e9)));
    if (made.compacted.spans != 0)
        out += fmt::format("{} on disk, {:.2f} bytes a span\n",
                           format_bytes(made.compacted.bytes_after),
                           static_cast<double>(made.compacted.bytes_after) /
                               static_cast<double>(made.compacted.spans));
    return out + "next: spanring traces --db " + made.database + " --error\n";
}

Result<int> generate_spans(const GlobalOptions& options, const GenerateFlags& flags) {
    auto path = database_path(options);
    if (!path) return std::move(path).error();
    auto start = start_of(flags);
    if (!start) return std::move(start).error();
    generate::GenerateOptions wanted;
    wanted.spans = static_cast<std::uint64_t>(flags.spans);
    wanted.seed = flags.seed;
    wanted.start_ns = *start;
    wanted.spans_per_second = flags.rate;
    wanted.foreign_ids = flags.foreign_ids;
    catch_interrupts();
    const auto begun = Clock::now();
    Made made;
    made.database = *path;
    if (auto filled = fill(*path, wanted, options.quiet, &made); !filled)
        return std::move(filled).error();
    if (interrupted()) {
        return Error{ErrorCode::kUnavailable,
                     fmt::format("interrupted after {} spans", format_count(made.spans))};
    }
    if (!flags.no_compact) {
        if (!options.quiet) remark("compacting ...");
        auto compacted = store::compact(*path);
        if (!compacted) return std::move(compacted).error();
        made.compacted = std::move(*compacted);
    }
    made.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
    if (auto done = print(options.json ? as_json(made) : as_text(made)); !done)
        return std::move(done).error();
    return kExitOk;
}

}  // namespace

void add_generate(CLI::App& app, Session& session) {
    CLI::App* command =
        new_command(app, session, "generate", "Fill a database with realistic traces of a shop",
                    "spanring generate --spans 1M --db /tmp/shop\n"
                    "spanring generate --spans 50M --seed 7 --rate 50k --db /srv/big\n"
                    "spanring generate --spans 10k --foreign-ids --start 2026-01-01T00:00:00Z");
    auto flags = std::make_shared<GenerateFlags>();
    const auto number = [command](const char* name, double* to, const char* text) {
        command
            ->add_option_function<std::string>(
                name,
                [name, to](const std::string& given) {
                    auto parsed = parse_rate(given);
                    if (!parsed || *parsed < 1 || *parsed > 1e12)
                        throw CLI::ValidationError(name, "'" + given + "' is no number from 1");
                    *to = *parsed;
                },
                text)
            ->type_name("N");
    };
    number("--spans", &flags->spans, "How many, 1.5M and 200k too [100k]");
    number("--rate", &flags->rate, "Spans a second in the time of the traces [10k]");
    command->add_option("--seed", flags->seed, "The same seed and start give the same traces")
        ->capture_default_str();
    command->add_option("--start", flags->start, "Of the first trace; else the last ones end now")
        ->type_name("TIME");
    command->add_flag("--foreign-ids", flags->foreign_ids,
                      "Random ids, as imported traces have, instead of those minted here");
    command->add_flag("--no-compact", flags->no_compact, "Leave the windows as they were written");
    command->callback([&session, flags] {
        session.action = [&session, flags] { return generate_spans(session.options, *flags); };
    });
}

}  // namespace spanring::tools
