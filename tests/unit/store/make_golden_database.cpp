// Writes the golden database of this version into a folder of its own:
//
//   build/dev/bin/make_golden_database tests/golden/store/database-5
//
// Run it once for a new version of frames or catalogue (the latter's is in the name), never to make
// a failing test pass. FILE.zst: each file of the database; spans.jsonl: what queries say.
#include <cstdio>
#include <filesystem>

#include "golden_database.hpp"

namespace {

using namespace spanring;
using namespace spanring::store;
using namespace spanring::store::testing;

/// The frames of one window: finished spans of two services, one that stays open, losses.
bool write_window(const std::string& path, std::uint64_t window) {
    auto writer = Writer::open(path, {});
    if (!writer) return false;
    for (std::uint64_t frame = 0; frame < 3; ++frame) {
        const std::uint64_t ordinal = 100 * window + 10 * frame;
        FrameSpec spec;
        spec.snapshot = (*writer)->wants_snapshot();
        spec.rows = {{.ordinal = ordinal, .attributes = {{"key", std::int64_t{7}}}},
                     {.ordinal = ordinal + 1,
                      .name = "failed",
                      .service = "cart",
                      .start_ns = static_cast<std::int64_t>(1000 * ordinal),
                      .root = ordinal,
                      .status = codec::StatusCode::kError}};
        spec.open = {{.ordinal = 9, .name = "open"}};
        Frame made = frame_of(spec);
        InstanceDelta delta;
        delta.id = instance(1).id;
        delta.pid = 17;
        delta.process_name = "shop";
        delta.losses = {{3, {ordinal, 0, 0, 0}, {}, {}}};
        made.instances = {delta};
        if (!(*writer)->commit(std::move(made), summary_of(spec)).ok()) return false;
    }
    return (*writer)->index_now().ok();
}

bool is_of_the_database(const std::string& name) {
    return name == "uuid" || name == "catalogue.sqlite" || name.ends_with(".log");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: make_golden_database FOLDER\n");
        return 2;
    }
    const std::string folder = argv[1];
    std::filesystem::create_directories(folder);
    const TempDir dir;
    bool ok = write_window(dir.db(), 1) && write_window(dir.db(), 2);
    for (const auto& entry : std::filesystem::directory_iterator(dir.db())) {
        const std::string name = entry.path().filename();
        if (!is_of_the_database(name)) continue;
        ok = test::write_packed(folder + "/" + name + ".zst", test::read_file(entry.path())) && ok;
    }
    auto reader = Reader::open(dir.db());
    ok = ok && reader && test::write_file(folder + "/spans.jsonl", told_by(**reader));
    return ok ? 0 : 1;
}
