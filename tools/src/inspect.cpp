// `spanring inspect FILE`: what lies in a segment or in a window of the database, byte by byte.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "commands.hpp"
#include "inspect_records.hpp"
#include "json.hpp"
#include "rings.hpp"
#include "spanring/abi/page_layout.h"
#include "spanring/abi/record_layout.h"
#include "spanring/base/unique_fd.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/shm/mapping/segment_reader.hpp"
#include "spanring/store/frame.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

namespace fs = std::filesystem;
using shm::PageView;
using shm::SegmentReader;

struct InspectOptions {
    std::string file;
    bool verbose{false};
};

struct SegmentFacts {
    shm::SegmentIdentity identity;
    bool alive{false};
    shm::RingFill fill;
    std::uint32_t pages_declared{0};
    std::uint32_t slots_declared{0};
    std::vector<std::string> strings;
    std::vector<PageView> pages;
    std::vector<std::uint32_t> stored;
};

Result<SegmentFacts> read_segment(const SegmentReader& reader) {
    SegmentFacts facts;
    facts.identity = reader.identity();
    facts.alive = reader.producer_alive();
    const auto fill = reader.fill();
    if (!fill) return fill.error();
    facts.fill = *fill;
    const auto pages = reader.pages_declared();
    if (!pages) return pages.error();
    facts.pages_declared = *pages;
    const auto slots = reader.slots_declared();
    if (!slots) return slots.error();
    facts.slots_declared = *slots;
    if (auto done = reader.read_strings(&facts.strings, SPANRING_STRINGS_MAX); !done) {
        return std::move(done).error();
    }
    if (auto done = reader.peek_all(&facts.pages); !done) return std::move(done).error();
    for (const PageView& page : facts.pages) {
        const auto stored = reader.stored_bytes(page);
        if (!stored) return stored.error();
        facts.stored.push_back(*stored);
    }
    return facts;
}

const char* page_state(std::uint32_t state) noexcept {
    return state == SPANRING_PAGE_FULL ? "full" : state == SPANRING_PAGE_WRITING ? "writing" : "?";
}

std::string segment_json(const std::string& file, const SegmentFacts& facts) {
    Json json;
    json.open_object()
        .field("type", "segment")
        .field("file", file)
        .field("pid", facts.identity.pid)
        .field("uid", facts.identity.uid)
        .field("process", facts.identity.process_name)
        .field("instance", hex_of(facts.identity.instance.bytes))
        .field("alive", facts.alive)
        .field("created_ns", facts.identity.created_realtime_ns)
        .field("clock", facts.identity.clock_kind == SPANRING_CLOCK_TSC ? "tsc" : "monotonic")
        .field("page_bytes", facts.identity.page_bytes)
        .field("pages_declared", facts.pages_declared)
        .field("pages_max", facts.identity.pages_max)
        .field("ring_used_bytes", facts.fill.used_bytes)
        .field("slots_declared", facts.slots_declared)
        .field("slots_max", facts.identity.slots_max)
        .field("strings", static_cast<std::uint64_t>(facts.strings.size()))
        .key("pages")
        .open_array();
    for (std::size_t i = 0; i < facts.pages.size(); ++i) {
        const PageView& page = facts.pages[i];
        json.open_object()
            .field("page", page.page)
            .field("state", page_state(page.state))
            .field("generation", page.generation)
            .field("stream", page.stream)
            .field("sequence", page.sequence)
            .field("first_ordinal", page.first_ordinal)
            .field("committed_bytes", page.committed)
            .field("stored_bytes", facts.stored[i])
            .close_object();
    }
    json.close_array().close_object();
    return json.line();
}

Result<std::string> page_records(const SegmentReader& reader, const PageView& page,
                                 const std::vector<std::string>& strings) {
    if (page.committed <= SPANRING_PAGE_DATA) return std::string();
    std::vector<std::byte> bytes(page.committed - SPANRING_PAGE_DATA);
    auto copied = reader.copy_bytes(page.page, SPANRING_PAGE_DATA, page.committed, bytes.data());
    if (!copied) return std::move(copied).error();
    return dump_records(bytes, SPANRING_PAGE_DATA, strings);
}

Result<std::string> segment_text(const SegmentReader& reader, const SegmentFacts& facts,
                                 bool verbose) {
    const Terminal terminal = Terminal::of(1);
    const shm::SegmentIdentity& identity = facts.identity;
    std::string out =
        fmt::format("process    {} (pid {}, uid {}), {}\ninstance   {}\ncreated    {}\n",
                    printable(identity.process_name), identity.pid, identity.uid,
                    facts.alive ? "alive" : "ended", hex_of(identity.instance.bytes),
                    format_time(static_cast<std::int64_t>(identity.created_realtime_ns)));
    out +=
        fmt::format("clock      {}\nring       {} pages of {} (at most {}), {} used\n",
                    identity.clock_kind == SPANRING_CLOCK_TSC ? "CPU counter" : "CLOCK_MONOTONIC",
                    facts.pages_declared, format_bytes(identity.page_bytes), identity.pages_max,
                    format_bytes(facts.fill.used_bytes));
    out += fmt::format("threads    {} slots of {}\nstrings    {} of {}\n\n", facts.slots_declared,
                       identity.slots_max, facts.strings.size(), identity.strings_max);
    for (std::size_t i = 0; i < facts.pages.size(); ++i) {
        const PageView& page = facts.pages[i];
        out += terminal.paint(Style::kBold, fmt::format("page {}", page.page)) +
               fmt::format(
                   "  {}  generation {}  stream {}  sequence {}  ordinal {}  {} B committed"
                   ", {} B stored\n",
                   page_state(page.state), page.generation, page.stream, page.sequence,
                   page.first_ordinal, page.committed, facts.stored[i]);
        if (!verbose) continue;
        auto records = page_records(reader, page, facts.strings);
        if (!records) return std::move(records).error();
        out += *records;
    }
    if (facts.pages.empty()) out += "every page is free\n";
    return out;
}

Result<std::string> inspect_segment(const fs::path& path, const GlobalOptions& options,
                                    bool verbose) {
    const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
    auto directory = shm::RingDirectory::open(folder, shm::RingDirectory::Create::kNo);
    if (!directory) return std::move(directory).error();
    auto reader =
        SegmentReader::attach(*directory, path.filename().string(), SegmentReader::Mode::kReadOnly);
    if (!reader) return std::move(reader).error();
    auto facts = read_segment(*reader);
    if (!facts) return std::move(facts).error();
    if (options.json) return segment_json(path.string(), *facts);
    return segment_text(*reader, *facts, verbose);
}

struct FrameLine {
    std::uint64_t offset;
    std::size_t bytes;
    store::Frame frame;
};

std::uint64_t tracepoints_of(const store::Frame& frame) {
    std::uint64_t sum = 0;
    for (const auto& instance : frame.instances) sum += instance.tracepoints;
    return sum;
}

std::uint64_t open_spans_bytes_of(const store::Frame& frame) noexcept {
    std::uint64_t bytes = 0;
    for (const auto& batch : frame.open_spans) bytes += batch.size();
    return bytes;
}

void write_frame(Json& json, const FrameLine& line) {
    const auto stands_for =
        line.frame.merged.value_or(store::MergedRange{line.frame.number, line.frame.number});
    json.open_object()
        .field("offset", line.offset)
        .field("bytes", static_cast<std::uint64_t>(line.bytes))
        .field("number", line.frame.number)
        .field("committed_ns", line.frame.committed_ns)
        .field("snapshot", line.frame.snapshot)
        .field("merged", line.frame.merged.has_value())
        .field("first_number", stands_for.first)
        .field("last_number", stands_for.last)
        .field("instances", static_cast<std::uint64_t>(line.frame.instances.size()))
        .field("batches", static_cast<std::uint64_t>(line.frame.batches.size()))
        .field("tracepoints", tracepoints_of(line.frame))
        .field("open_spans_bytes", open_spans_bytes_of(line.frame))
        .field("deferred_bytes", static_cast<std::uint64_t>(line.frame.deferred.size()))
        .close_object();
}

std::string frame_text(const FrameLine& line, bool verbose) {
    std::string out =
        fmt::format("frame {}  at {}  {}  {}{}  {} batches  {} tracepoints\n", line.frame.number,
                    line.offset, format_bytes(line.bytes), format_time(line.frame.committed_ns),
                    line.frame.snapshot ? "  snapshot" : "", line.frame.batches.size(),
                    format_count(tracepoints_of(line.frame)));
    if (const auto& merged = line.frame.merged)
        out += fmt::format("    stands for frames {} to {}\n", merged->first, merged->last);
    if (!verbose) return out;
    for (const store::InstanceDelta& instance : line.frame.instances) {
        out += fmt::format(
            "    {} pid {} {}{}: {} pages, {} released, {} streams, {} tracepoints\n",
            hex_of(instance.id.bytes), instance.pid, printable(instance.process_name),
            instance.ended ? " ended" : "", instance.pages.size(), instance.pages_released.size(),
            instance.streams.size(), instance.tracepoints);
    }
    for (const auto& bytes : line.frame.batches) {
        const auto batch = codec::decode(bytes);
        out += batch ? fmt::format("    batch {}: {} spans\n", format_bytes(bytes.size()),
                                   batch->rows.size())
                     : fmt::format("    batch {}: {}\n", format_bytes(bytes.size()),
                                   batch.error().message);
    }
    return out;
}

Result<int> inspect_window(const std::string& path, const Mapping& mapping,
                           const GlobalOptions& options, bool verbose) {
    const std::span<const std::byte> whole(mapping.as<const std::byte>(), mapping.bytes());
    Json json;
    json.open_object().field("type", "window").field("file", path).key("frames").open_array();
    std::string out;
    std::size_t at = 0;
    std::optional<Error> failed;
    while (at < whole.size()) {
        std::size_t bytes = 0;
        auto frame = store::decode_frame(whole.subspan(at), &bytes);
        if (!frame) {
            failed = std::move(frame).error().in(fmt::format("{}: offset {}", path, at));
            break;
        }
        const FrameLine line{at, bytes, std::move(*frame)};
        if (options.json) {
            write_frame(json, line);
        } else {
            out += frame_text(line, verbose);
        }
        at += bytes;
    }
    json.close_array().field("sound", !failed.has_value()).close_object();
    if (auto done = print(options.json ? json.line() : out); !done) return std::move(done).error();
    if (failed) return std::move(*failed);
    return kExitOk;
}

// A segment says so in its first word; everything else is read as a window.
Result<int> inspect_file(const GlobalOptions& options, const InspectOptions& wanted) {
    const UniqueFd fd(::open(wanted.file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return os_error(errno, wanted.file);
    struct stat facts {};
    if (fstat(fd.get(), &facts) != 0) return os_error(errno, wanted.file);
    std::uint64_t magic = 0;
    const bool has_magic = S_ISREG(facts.st_mode) && pread(fd.get(), &magic, 8, 0) == 8;
    const fs::path path(wanted.file);
    if (!has_magic) {
        return Error{ErrorCode::kCorrupt,
                     wanted.file + " is neither a segment nor a window of a trace database"};
    }
    if (magic == SPANRING_SEGMENT_MAGIC || path.extension() == SPANRING_SEGMENT_SUFFIX) {
        auto text = inspect_segment(path, options, wanted.verbose);
        if (!text) return std::move(text).error();
        if (auto done = print(*text); !done) return std::move(done).error();
        return kExitOk;
    }
    auto mapping =
        Mapping::shared(fd.get(), static_cast<std::size_t>(facts.st_size), Mapping::Access::kRead);
    if (!mapping) return std::move(mapping).error().in(wanted.file);
    return inspect_window(wanted.file, *mapping, options, wanted.verbose);
}

}  // namespace

void add_inspect(CLI::App& app, Session& session) {
    CLI::App* command =
        new_command(app, session, "inspect", "Show what lies in a segment or a database window",
                    "spanring inspect /dev/shm/spanring-0/4711-*.seg\n"
                    "spanring inspect -v /dev/shm/spanring-0/4711-*.seg\n"
                    "spanring inspect ~/.local/state/spanring/db/w-*1.log --json");
    auto wanted = std::make_shared<InspectOptions>();
    command->add_option("FILE", wanted->file, "A .seg of a ring directory or a w-*.log")
        ->required();
    command->add_flag("-v,--verbose", wanted->verbose, "Every record; every instance and batch");
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return inspect_file(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
