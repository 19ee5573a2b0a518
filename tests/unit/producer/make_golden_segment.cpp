// Writes the golden segment and control page of this layout into a folder:
//
//   build/dev/bin/make_golden_segment tests/golden/shm
//
// Run it once for a new layout (its fingerprint is in the names), never to make a failing test
// pass: what a released version wrote does not change. NAME.segment.zst, NAME.control.zst,
// NAME.jsonl: what the segment tells; NAME-*.bad.zst: what must be refused.
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <thread>

#include "golden_segment.hpp"
#include "spanring/abi/segment_layout.h"

namespace {

using namespace spanring;
using namespace spanring::literals;
using namespace spanring::test;

void every_kind_of_detail() {
    Span outer("outer"_key);
    outer.set("bool"_key, true).set("int"_key, -7).set("double"_key, 0.25).set("text"_key, "äöü");
    outer.set("list"_key, {1, 2, 3});
    outer.event("event"_key, {{"n"_key, 1}});
    Span inner("inner"_key);
    inner.set_kind(SpanKind::kServer).set_status(StatusCode::kError, "why");
    inner.record_exception("Type", "message");
    inner.update_name("renamed"_key);
}

void foreign_trace() {
    const Context remote = Context::from_headers(
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "vendor=1", "key=value");
    const Scope scope = remote.attach();
    Span below("below a remote parent"_key);
    below.add_link(remote, {{"why"_key, "link"}});
}

void several_pages() {
    Span large("large"_key);
    large.set("text"_key, std::string(20'000, 'x'));
    for (int i = 0; i < 100; ++i) Span("one of many"_key).set("i"_key, i);
}

/// It finds too few pages, and leaves the ring full: what needs a page from then on is lost, too.
void losses_of_details() {
    Span span("cut"_key);
    span.set("too large"_key, std::string(SPANRING_SPAN_BYTES_MAX + 1, 'x'));
}

/// What is open when the segment is copied. Never ends.
struct LeftOpen {
    Span span{"left open"_key};
    AsyncSpan async{"left open, too"_key};
};

/// This machine's boot is nobody's business.
std::string segment_without_boot(const std::string& path) {
    std::string bytes = read_file(path);
    std::memset(bytes.data() + offsetof(spanring_segment_header, boot_id), 0, 16);
    return bytes;
}

bool write_all(const std::string& base, const TestDirectory& directory) {
    const std::string name = directory.path() + "/" + status().segment;
    std::string segment = segment_without_boot(name);
    bool ok = write_packed(base + ".segment.zst", segment);
    std::string control = read_file(directory.path() + "/control");
    std::memset(control.data() + offsetof(spanring_control, boot_id), 0, 16);
    ok = write_packed(base + ".control.zst", control) && ok;
    ok = write_packed(base + "-truncated.bad.zst", segment.substr(0, segment.size() / 2)) && ok;
    std::string flipped = segment;
    flipped[offsetof(spanring_segment_header, page_offset)] ^= 0x10;
    ok = write_packed(base + "-flipped.bad.zst", flipped) && ok;
    return write_file(base + ".jsonl", told_by(directory.directory())) && ok;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: make_golden_segment FOLDER\n");
        return 2;
    }
    const TestDirectory directory;
    Configuration small;
    small.service_name = "golden";
    small.resource = {{"host.name", "golden"}};
    small.directory = directory.path();
    small.page_bytes = 4 << 10;
    small.ring_bytes_initial = small.ring_bytes_max = 128 << 10;
    if (!configure(small).ok()) return 1;
    every_kind_of_detail();
    foreign_trace();
    several_pages();
    losses_of_details();
    std::thread([] { const Span span("of a thread"_key); }).join();
    { AsyncSpan async("asynchronous"_key); }
    auto* open = new LeftOpen;
    char name[32];
    std::snprintf(name, sizeof name, "/abi-%x", static_cast<unsigned>(SPANRING_LAYOUT_FINGERPRINT));
    const bool written = write_all(argv[1] + std::string(name), directory);
    delete open;
    return written ? 0 : 1;
}
