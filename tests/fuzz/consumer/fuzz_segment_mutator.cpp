// A whole segment of fuzz bytes that a thread changes, cuts and punches holes into while its reader
// attaches, drains and assembles (hazards 18 and 20).
#include "mutator.hpp"
#include "segment_run.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    using namespace spanring::fuzz;
    static SegmentFile file;
    static Mutator mutator(file.fd(), sizeof(Image));
    FuzzedDataProvider in(data, count);
    mutator.begin(some_changes(in, sizeof(Image)));
    SegmentRun(in, file).go([](int step) { mutator.step(step); });
    mutator.end();
    return 0;
}
