// A rig for assembler tests: pages go in, spans come out.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "records.hpp"
#include "spanring/abi/segment_layout.h"
#include "spanring/codec/batch.hpp"
#include "spanring/codec/details.hpp"
#include "spanring/consumer/assembler.hpp"

namespace spanring::consumer::testing {

/// An assembler with its surroundings. `restart` replaces it by one that knows what a frame says.
class Rig {
public:
    explicit Rig(const Limits& bounds = {})
        : limits(bounds), clock(SPANRING_CLOCK_MONOTONIC, fixed_clock()) {
        for (std::size_t i = 0; i < 16; ++i) {
            instance.id.bytes[i] = static_cast<std::uint8_t>(i + 1);
            instance.host_key[i] = static_cast<std::uint8_t>(i * 3);
            instance.span_key[i] = static_cast<std::uint8_t>(i * 7 + 1);
        }
        assembler = std::make_unique<Assembler>(instance, clock, strings, limits);
    }

    Result<void> feed_part(const RecordWriter::Page& page, std::size_t from, std::size_t to) {
        return assembler->feed({.stream = page.stream,
                                .sequence = page.sequence,
                                .base_ticks = page.base,
                                .first_ordinal = page.first_ordinal,
                                .from_start = from == 0,
                                .records = std::span(page.bytes).subspan(from, to - from)},
                               sink);
    }
    Result<void> feed(const RecordWriter& writer) {
        for (const auto& page : writer.pages()) {
            if (auto fed = feed_part(page, 0, page.bytes.size()); !fed) return fed;
        }
        return {};
    }
    void turn(bool complete = true) { ASSERT_TRUE(assembler->end_turn(complete, sink)); }
    /// All that is deferred comes out after two turns without news.
    void settle() {
        turn();
        turn();
    }
    void close() { assembler->close(sink); }

    /// What is finished so far, in the order of its ends.
    std::vector<codec::Span> spans() {
        for (auto& batch : sink.take()) {
            for (std::size_t i = 0; i < batch->rows.size(); ++i) {
                auto span = batch->span(i);
                EXPECT_TRUE(span.ok());
                if (span) out.push_back(*span);
            }
            auto encoded = codec::encode(*batch);
            EXPECT_TRUE(encoded.ok());
        }
        return out;
    }

    /// Reads all that was written; what is finished then.
    std::vector<codec::Span> spans_of(const RecordWriter& writer) {
        EXPECT_TRUE(feed(writer));
        return spans();
    }

    /// What a frame would carry over now; folds open rows as the store does.
    void carry_over() {
        RowSink open_sink;
        open_sink.set_rows_max(codec::kBatchSpansLimit);
        (void)spans();
        ASSERT_TRUE(assembler->export_open(true, open_sink));
        states.clear();
        assembler->export_streams(true, states);
        deferred.clear();
        assembler->export_deferred(deferred);
        auto batches = open_sink.take();
        open = batches.empty() ? codec::Batch() : std::move(*batches.front());
        if (!open.empty()) {
            auto encoded = codec::encode(open);
            ASSERT_TRUE(encoded.ok());
            auto decoded = codec::decode(*encoded);
            ASSERT_TRUE(decoded.ok());
            open = std::move(*decoded);
        }
    }
    void restart() {
        carry_over();
        assembler = std::make_unique<Assembler>(instance, clock, strings, limits);
        std::vector<std::size_t> rows(open.rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
        ASSERT_TRUE(assembler->restore(states, open, rows, deferred));
    }

    [[nodiscard]] SpanId id(std::uint32_t stream, std::uint64_t ordinal) const {
        return derive_span_id(instance.span_key, SpanKey::of(stream, ordinal));
    }
    [[nodiscard]] TraceId trace(std::uint32_t stream, std::uint64_t ordinal) const {
        return derive_trace_id(instance.host_key, instance.id.number(),
                               SpanKey::of(stream, ordinal));
    }
    [[nodiscard]] static const codec::Span* find(const std::vector<codec::Span>& spans,
                                                 const std::string& name) {
        const auto at = std::find_if(spans.begin(), spans.end(),
                                     [&](const codec::Span& s) { return s.name == name; });
        return at == spans.end() ? nullptr : &*at;
    }

    Limits limits;
    codec::Instance instance;
    TickClock clock;
    Strings strings;
    RowSink sink;
    std::unique_ptr<Assembler> assembler;
    std::vector<codec::Span> out;
    std::vector<store::StreamState> states;
    codec::Batch open;
    std::vector<std::byte> deferred;
};

}  // namespace spanring::consumer::testing
