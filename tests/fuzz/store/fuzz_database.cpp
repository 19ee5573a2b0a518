// A database whose windows hold anything: recovery, check, and a reader; then a writer that goes on
// behind it. Either one clear error, or what is committed then can be read.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "folder.hpp"
#include "frame_maker.hpp"
#include "recovery.hpp"
#include "require.hpp"
#include "scratch_folder.hpp"
#include "spanring/store/database.hpp"

namespace spanring::store {
namespace {

using fuzz::require;

/// One for the life of the fuzzer; its windows and catalogue are of one input.
const Folder& folder() {
    struct Scratch {
        fuzz::ScratchFolder root;
        std::unique_ptr<Folder> folder =
            std::make_unique<Folder>(std::move(*Folder::open_or_create(root.path() + "/db")));
    };
    static Scratch scratch;
    return *scratch.folder;
}

void clear() {
    for (const auto& entry : std::filesystem::directory_iterator(folder().path())) {
        const std::string name = entry.path().filename();
        if (name != "uuid" && name != "lock") std::filesystem::remove(entry.path());
    }
}

void write_windows(FuzzedDataProvider& in) {
    std::uint64_t number = 1;
    const auto windows = in.ConsumeIntegralInRange<std::uint64_t>(1, 2);
    for (std::uint64_t window = 1; window <= windows; ++window) {
        std::ofstream out(folder().file(window_name(window)), std::ios::binary);
        for (int i = in.ConsumeIntegralInRange<int>(0, 6); i > 0; --i) {
            const auto bytes = fuzz::made_frame(in, number++);
            out.write(reinterpret_cast<const char*>(bytes.data()),
                      static_cast<std::streamsize>(bytes.size()));
            if (in.ConsumeIntegralInRange<int>(0, 9) == 0) out << in.ConsumeBytesAsString(16);
        }
    }
}

void require_one_line(const Error& error) {
    require(!error.message.empty() && error.message.find('\n') == std::string::npos,
            "an error is one line");
}

void read_everything() {
    auto reader = Reader::open(folder().path());
    if (!reader) return require_one_line(reader.error());
    if (const auto visited = (*reader)->visit({}, [](const codec::Span&) { return true; });
        !visited) {
        require_one_line(visited.error());
    }
    (void)(*reader)->traces({}, 10);
    (void)(*reader)->operations(std::nullopt);
    (void)(*reader)->stats();
    (void)(*reader)->attribute_keys();
    (void)(*reader)->digest(0, 1'000'000'000);
}

std::uint64_t named(Reader& reader, const std::string& name) {
    std::uint64_t found = 0;
    const auto visited = reader.visit({}, [&](const codec::Span& span) {
        found += span.name == name ? 1 : 0;
        return true;
    });
    require(visited.ok(), "what a writer has opened can be visited");
    return found;
}

/// What a starting consumer does.
void go_on() {
    auto writer = Writer::open(folder().path(), {});
    if (!writer) return require_one_line(writer.error());
    codec::Batch batch;
    codec::Span span;
    span.name = "after";
    span.trace_id.bytes.fill(7);
    span.span_id.bytes.fill(8);
    batch.add(span);
    Frame frame;
    frame.snapshot = (*writer)->wants_snapshot();
    frame.batches.push_back(*codec::encode(batch));
    require((*writer)->commit(std::move(frame), {.spans = 1}).ok(), "a writer commits");
    auto reader = Reader::open(folder().path());
    require(reader.ok() && named(**reader, "after") == 1, "what was committed can be read");
    require((*writer)->index_now().ok(), "and indexed");
    require((*reader)->refresh().ok() && named(**reader, "after") == 1, "and read by the index");
}

}  // namespace
}  // namespace spanring::store

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    using namespace spanring::store;
    FuzzedDataProvider in(data, count);
    clear();
    write_windows(in);
    if (const auto recovered = recover(folder()); !recovered) require_one_line(recovered.error());
    (void)check(folder().path());
    read_everything();
    // Threads and a catalogue, a tenth of a second: not for every input, least of all for each that
    // has no bytes left.
    if (in.ConsumeIntegralInRange<int>(0, 15) == 15) go_on();
    return 0;
}
