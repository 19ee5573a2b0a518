#include "stored_spans.hpp"

#include "spanring/store/database.hpp"
#include "term.hpp"

namespace spanring::tools::bench {

Result<std::uint64_t> count_spans(const std::string& database, bool quiet) {
    auto reader = store::Reader::open(database);
    if (!reader) return std::move(reader).error();
    ProgressLine progress("counting", quiet);
    std::uint64_t spans = 0;
    auto visited = (*reader)->visit_frames_after(0, [&](const store::CommittedFrame& frame) {
        for (const auto& batch : frame.batches) spans += batch.rows.size();
        progress.update(spans, 0, "spans");
        return !interrupted();
    });
    if (!visited) return std::move(visited).error();
    if (interrupted()) return Error{ErrorCode::kUnavailable, "interrupted; nothing was measured"};
    return spans;
}

}  // namespace spanring::tools::bench
