// The batches of tests/golden/codec: written once by make_golden_batches, kept for ever; every
// later build must read them, and this one must still write the same bytes.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "sample_spans.hpp"
#include "spanring/abi/record_layout.h"
#include "spanring/codec/details.hpp"

namespace spanring::codec::test {

inline Batch golden_native() {
    const Instance own = instance(0x11);
    Batch batch;
    const InstanceIndex index = batch.intern_instance(own);
    std::uint64_t ordinal = 0;
    for (int request = 0; request < 50; ++request) {
        const SpanKey root = SpanKey::of(3, ordinal + 1);
        for (int i = 0; i < 4; ++i) {
            const SpanKey key = SpanKey::of(3, ++ordinal);
            Row row = native_row(index, own, root, key, i == 0 ? SpanKey{} : root,
                                 kNoonNs + request * 1000000 + i * 1000);
            row.name = batch.intern("op " + std::to_string(i));
            row.kind = static_cast<std::uint8_t>(i);
            batch.rows.push_back(row);
        }
    }
    return batch;
}

/// A column of text of which zstd makes less than LZ4 does.
inline Batch golden_text() {
    Batch batch = golden_native();
    const StringId key = batch.intern("user.id");
    std::uint64_t number = 1;
    for (Row& row : batch.rows) {
        number = number * 6364136223846793005ull + 1442695040888963407ull;
        row.details_offset = batch.details.size();
        DetailWriter(batch.details)
            .attribute(key, Value(std::to_string(number)), SPANRING_TARGET_SPAN);
        row.details_bytes = static_cast<std::uint32_t>(batch.details.size() - row.details_offset);
    }
    return batch;
}

/// A column of text that is shorter as a dictionary.
inline Batch golden_repeated() {
    Batch batch = golden_native();
    const StringId key = batch.intern("user.id");
    for (std::size_t i = 0; i < batch.rows.size(); ++i) {
        Row& row = batch.rows[i];
        row.details_offset = batch.details.size();
        DetailWriter(batch.details)
            .attribute(key, Value("user-" + std::to_string(i * i % 37 * 7919)),
                       SPANRING_TARGET_SPAN);
        row.details_bytes = static_cast<std::uint32_t>(batch.details.size() - row.details_offset);
    }
    return batch;
}

inline Batch golden_everything() {
    std::vector<Span> spans{full_span(), full_span()};
    Span absent = plain_span(2, 9, 0, 0);
    absent.start_ns.reset();
    absent.duration_ns.reset();
    absent.end_lost = true;
    spans.push_back(absent);
    Span short_id = plain_span(4, 1, 2, kNoonNs);
    short_id.trace_id = {};
    short_id.trace_id.bytes[15] = 1;
    short_id.trace_id_64 = true;
    short_id.unfinished = true;
    spans.push_back(short_id);
    return batch_of(spans);
}

inline std::vector<std::pair<std::string, Batch>> golden_batches() {
    std::vector<std::pair<std::string, Batch>> all;
    all.emplace_back("v1-empty", Batch());
    all.emplace_back("v1-native", golden_native());
    all.emplace_back("v1-everything", golden_everything());
    all.emplace_back("v2-zstd", golden_text());
    all.emplace_back("v3-dictionary", golden_repeated());
    return all;
}

/// How the golden of this name was encoded.
inline EncodeOptions golden_options(const std::string& name) {
    if (name.rfind("v1-", 0) == 0) return {};
    return {.small = true, .zstd_level = name == "v2-zstd" ? 19 : 0};
}

}  // namespace spanring::codec::test
