// The assembler: any records in any pages of several streams, turns and restarts in between.
//
// Two assemblers read the same pages; one of them is replaced now and then by a new one that knows
// only what the frames say. Whatever the bytes are: no crash, bounded memory, rows that encode and
// decode, and both end with the same spans.
#include <algorithm>
#include <array>
#include <memory>

#include "record_maker.hpp"
#include "records.hpp"
#include "require.hpp"
#include "spanring/abi/segment_layout.h"
#include "spanring/codec/batch.hpp"
#include "spanring/consumer/assembler.hpp"

namespace spanring::consumer {
namespace {

using fuzz::kStreams;
using fuzz::require;
using testing::fixed_clock;
using testing::Strings;

constexpr int kStepsMax = 400;

/// Small, so that the fuzzer gets to every one of them.
Limits small_limits() {
    return {.open_max = 24,
            .stack_entries_max = 48,
            .stack_depth_max = 32,
            .open_details_bytes_max = 64u << 10,
            .span_details_bytes_max = 4u << 10,
            .inline_string_bytes_max = 256};
}

codec::Instance some_instance() {
    codec::Instance instance;
    for (std::size_t i = 0; i < 16; ++i) {
        instance.id.bytes[i] = static_cast<std::uint8_t>(i + 1);
        instance.host_key[i] = static_cast<std::uint8_t>(i * 3);
        instance.span_key[i] = static_cast<std::uint8_t>(i * 7 + 1);
    }
    return instance;
}

/// An assembler and what came out of it.
class Side {
public:
    Side() { start(); }

    bool feed(const PageBytes& page) {
        const bool good = assembler_->feed(page, sink_).ok();
        require(assembler_->open_spans() <= limits_.open_max + limits_.stack_entries_max,
                "open spans are bounded");
        return good;
    }
    bool end_turn(bool complete) { return assembler_->end_turn(complete, sink_).ok(); }
    void close() {
        assembler_->close(sink_);
        require(assembler_->open_spans() == 0, "nothing is open after close");
        take();
        std::sort(ids_.begin(), ids_.end());
    }
    /// As the next consumer after a death: from one frame alone. False: a breach (a name that does
    /// not exist) shows at the export.
    bool restart() {
        take();
        RowSink open_sink;
        open_sink.set_rows_max(codec::kBatchSpansLimit);
        if (!assembler_->export_open(true, open_sink)) return false;
        std::vector<store::StreamState> states;
        assembler_->export_streams(true, states);
        std::vector<std::byte> deferred;
        assembler_->export_deferred(deferred);
        codec::Batch open;
        for (auto& batch : open_sink.take()) open = decoded(*batch);
        std::vector<std::size_t> rows(open.rows.size());
        for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
        start();
        require(assembler_->restore(states, open, rows, deferred).ok(),
                "what was exported is restored");
        return true;
    }
    [[nodiscard]] const std::vector<std::string>& ids() const { return ids_; }

private:
    void start() {
        assembler_ = std::make_unique<Assembler>(some_instance(), clock_, strings_, limits_);
    }
    static codec::Batch decoded(const codec::Batch& batch) {
        const auto bytes = codec::encode(batch);
        require(bytes.ok(), "rows encode");
        auto read = codec::decode(*bytes);
        require(read.ok() && read->rows.size() == batch.rows.size(), "rows decode");
        return std::move(*read);
    }
    void take() {
        for (const auto& batch : sink_.take()) {
            const codec::Batch read = decoded(*batch);
            for (std::size_t i = 0; i < read.rows.size(); ++i) {
                const auto span = read.span(i);
                require(span.ok(), "a row is a span");
                ids_.push_back(to_hex(span->trace_id) + to_hex(span->span_id));
            }
        }
    }

    const Limits limits_{small_limits()};
    TickClock clock_{SPANRING_CLOCK_MONOTONIC, fixed_clock()};
    Strings strings_{[] {
        Strings strings;
        for (const char* text : {"name", "key", "event", ""}) strings.add(text);
        return strings;
    }()};
    RowSink sink_;
    std::unique_ptr<Assembler> assembler_;
    std::vector<std::string> ids_;
};

struct PageState {
    std::uint64_t next_sequence{0};
    PageBytes page;
    std::vector<std::byte> pending;
};

class Run {
public:
    explicit Run(FuzzedDataProvider& in) : in_(in) {
        for (std::uint32_t i = 0; i < kStreams; ++i) pages_[i].page.stream = i;
    }

    void go() {
        bool good = true;
        for (int i = 0; i < kStepsMax && good && in_.remaining_bytes() != 0; ++i) good = step();
        straight_.close();
        restarted_.close();
        require(straight_.ids() == restarted_.ids(), "a restart changes no span");
    }

private:
    bool step() {
        PageState& at = pages_[in_.ConsumeIntegralInRange<std::uint32_t>(0, kStreams - 1)];
        switch (in_.ConsumeIntegralInRange<int>(0, 15)) {
            case 0: return begin_page(at);
            case 1: return publish(at);
            case 2: return end_turn(in_.ConsumeBool());
            case 3: return publish(at) && restarted_.restart();
            case 4: fuzz::put_raw(in_, at.pending); return true;
            default: fuzz::put_record(in_, at.pending); return true;
        }
    }
    bool begin_page(PageState& at) {
        if (!publish(at)) return false;
        at.next_sequence += in_.ConsumeIntegralInRange<std::uint64_t>(0, 8) == 0 ? 2 : 1;
        at.page.sequence = at.next_sequence;
        at.page.base_ticks = in_.ConsumeIntegralInRange<std::uint64_t>(0, 1u << 20);
        at.page.first_ordinal += in_.ConsumeIntegralInRange<std::uint64_t>(0, 12);
        at.page.from_start = true;
        return true;
    }
    bool publish(PageState& at) {
        if (at.pending.empty()) return true;
        at.page.records = at.pending;
        const bool good = straight_.feed(at.page);
        require(restarted_.feed(at.page) == good, "a restart changes no verdict");
        at.pending.clear();
        at.page.from_start = false;
        return good;
    }
    bool end_turn(bool complete) {
        const bool good = straight_.end_turn(complete);
        require(restarted_.end_turn(complete) == good, "a restart changes no verdict of a turn");
        return good;
    }
    FuzzedDataProvider& in_;
    Side straight_;
    Side restarted_;
    std::array<PageState, kStreams> pages_{};
};

}  // namespace
}  // namespace spanring::consumer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    FuzzedDataProvider in(data, count);
    spanring::consumer::Run(in).go();
    return 0;
}
