// A whole segment of fuzz bytes, with writes in place between the turns of its reader (hazard 18).
// The same input is the same run.
#include "segment_run.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    static spanring::fuzz::SegmentFile file;
    FuzzedDataProvider in(data, count);
    spanring::fuzz::SegmentRun(in, file).go([](int) {});
    return 0;
}
