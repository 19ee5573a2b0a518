// A database of a few spans, made once, for what only reads. Threads: one.
#pragma once

#include <memory>
#include <string>

#include "require.hpp"
#include "scratch_folder.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/store/database.hpp"

namespace spanring::fuzz {

/// Twelve spans of three traces: parents, errors, attributes of each type, no start, no end.
inline codec::Batch small_batch() {
    codec::Batch batch;
    for (int i = 0; i < 12; ++i) {
        codec::Span span;
        span.trace_id.bytes[0] = static_cast<std::uint8_t>(1 + i / 4);
        span.span_id.bytes[7] = static_cast<std::uint8_t>(1 + i);
        if (i % 4 != 0) span.parent_id.bytes[7] = static_cast<std::uint8_t>(i);
        span.name = i % 3 == 0 ? "GET /cart" : "query";
        span.kind = static_cast<codec::SpanKind>(i % 6);
        span.status = static_cast<codec::StatusCode>(i % 3);
        if (i != 5) span.start_ns = 1'700'000'000'000'000'000 + i * 1'000'000;
        if (i != 7) span.duration_ns = i * 100'000;
        span.attributes = {{"code", std::int64_t{i}},
                           {"user", "u-" + std::to_string(i % 3)},
                           {"half", i + 0.5},
                           {"ok", i % 2 == 0},
                           {"bytes", codec::Bytes{"\xff"}},
                           {"list", std::vector<std::int64_t>{i}}};
        span.resource = std::make_shared<const codec::Attributes>(
            codec::Attributes{{"service.name", std::string(i % 2 == 0 ? "cart" : "db")}});
        batch.add(span);
    }
    return batch;
}

/// Its path; it lives as long as the fuzzer.
inline const std::string& small_database() {
    struct Made {
        ScratchFolder root;
        std::string path = root.path() + "/db";
        Made() {
            auto writer = store::Writer::open(path, {});
            require(writer.ok(), "a database can be made");
            const codec::Batch batch = small_batch();
            store::Frame frame;
            frame.snapshot = (*writer)->wants_snapshot();
            frame.batches.push_back(*codec::encode(batch));
            const store::BatchFacts facts{store::facts_of(batch)};
            require((*writer)->commit(frame, store::summary_of(facts), facts).ok(), "and written");
            require((*writer)->index_now().ok(), "and indexed");
        }
    };
    static Made made;
    return made.path;
}

}  // namespace spanring::fuzz
