// Any bytes as the catalogue of a sound database. One that is damaged is passed over: every answer
// is that of the log. One that somebody made, with right checksums, may hide spans or
// show one twice, but whoever reads it gets an answer or an error.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "checksum_vfs.hpp"
#include "require.hpp"
#include "scratch_folder.hpp"
#include "spanring/store/database.hpp"

namespace spanring::store {
namespace {

using fuzz::require;

constexpr int kSpans = 40;

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// A database of some spans, and its catalogue as it should be.
struct Sound {
    fuzz::ScratchFolder root;
    std::string path{root.path() + "/db"};
    std::string catalogue{path + "/catalogue.sqlite"};
    std::string good;

    Sound() {
        auto writer = Writer::open(path, {});
        require(writer.ok(), "a database is made");
        for (int i = 0; i < kSpans; ++i) {
            codec::Batch batch;
            codec::Span span;
            span.name = "span " + std::to_string(i % 7);
            span.trace_id.bytes.fill(static_cast<std::uint8_t>(i / 4 + 1));
            span.span_id.bytes.fill(static_cast<std::uint8_t>(i + 1));
            batch.add(span);
            Frame frame;
            frame.snapshot = (*writer)->wants_snapshot();
            frame.batches.push_back(*codec::encode(batch));
            require((*writer)->commit(std::move(frame), {.spans = 1}).ok(), "it commits");
        }
        require((*writer)->index_now().ok(), "it is indexed");
        writer->reset();
        good = read_file(catalogue);
        require(!good.empty(), "there is a catalogue");
    }
};

void set_checksums(std::string& file) {
    const auto bytes = std::as_writable_bytes(std::span(file));
    for (std::size_t at = 0; at + kCataloguePageBytes <= bytes.size(); at += kCataloguePageBytes)
        set_page_checksum(bytes.subspan(at, kCataloguePageBytes),
                          static_cast<std::uint32_t>(at / kCataloguePageBytes + 1));
}

/// Whether all that is asked is answered as the log has it.
bool answers_rightly(Reader& reader) {
    int found = 0;
    const auto visited = reader.visit({}, [&](const codec::Span&) {
        ++found;
        return true;
    });
    TraceId id;
    id.bytes.fill(3);
    const auto trace = reader.trace(id);
    (void)reader.operations(std::nullopt);
    (void)reader.stats();
    return visited.ok() && found == kSpans && trace.ok() && trace->size() == 4;
}

}  // namespace
}  // namespace spanring::store

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    using namespace spanring::store;
    static Sound sound;
    // The good file with the input over a part of it, which the first bytes choose; or the input.
    // An odd third byte: with the checksums that belong to it.
    if (count < 4) return 0;
    std::string file = sound.good;
    const std::size_t at = (data[0] | data[1] << 8) % file.size();
    const std::string patch(reinterpret_cast<const char*>(data) + 3, count - 3);
    const bool forged = data[2] % 2 != 0;
    if (data[2] < 2) {
        file = patch;
    } else {
        file.replace(at, std::min(patch.size(), file.size() - at),
                     patch.substr(0, file.size() - at));
    }
    if (forged) set_checksums(file);
    for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(sound.catalogue + suffix);
    std::ofstream(sound.catalogue, std::ios::binary) << file;
    auto reader = Reader::open(sound.path);
    const bool right = reader.ok() && answers_rightly(**reader);
    require(right || forged, "what is damaged is passed over");
    return 0;
}
