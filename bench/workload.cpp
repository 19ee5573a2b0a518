#include "workload.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "spanring/abi/page_layout.h"
#include "spanring/abi/record_layout.h"

namespace spanring::bench {
namespace {

constexpr std::uint32_t kTight = 1;  // number of the tight loop's name
constexpr std::uint32_t kOperationsFrom = 2;
constexpr std::size_t kDistinctTexts = 10'000;
constexpr std::size_t kTextBytes = 13;
// Between two calls of a worker thread, and within an operation besides what it calls.
constexpr std::uint64_t kPauseNs = 20'000;

}  // namespace

Workload::Workload(const WorkloadOptions& options) : options_(options), random_(options.seed) {
    strings_ = {"", "work"};
    for (const Operation& operation : kOperations) strings_.emplace_back(operation.name);
    keys_from_ = static_cast<std::uint32_t>(strings_.size());
    for (std::uint32_t i = 0; i < options.integers; ++i) {
        strings_.push_back("integer." + std::to_string(i));
    }
    for (std::uint32_t i = 0; i < options.texts; ++i) {
        strings_.push_back("text." + std::to_string(i));
    }
    traces_ = read_mix();
    streams_.resize(options.streams);
    for (std::uint32_t i = 0; i < options.streams; ++i) {
        streams_[i].number = i;
        streams_[i].now = 1'000'000'000 + up_to(1'000'000);
    }
    page_.reserve(kPageBytes / 8);
}

std::optional<std::string_view> Workload::string(std::uint32_t number) {
    if (number >= strings_.size()) return std::nullopt;
    return strings_[number];
}

void Workload::put_timed(std::uint32_t kind, std::uint32_t id, const Stream& stream) {
    const std::uint64_t delta = stream.now - base_;
    put(spanring_record_head(kind, id, static_cast<std::uint32_t>(delta)));
}

void Workload::put_attributes() {
    std::uint32_t key = keys_from_;
    for (std::uint32_t i = 0; i < options_.integers; ++i) {
        put(spanring_record_head(SPANRING_REC_ATTR_INT, key++, 0));
        put(up_to(1000));
    }
    for (std::uint32_t i = 0; i < options_.texts; ++i) {
        put(spanring_record_head(SPANRING_REC_ATTR_STRING, key++, kTextBytes));
        char text[17] = {};
        std::snprintf(text, sizeof text, "user-%08u",
                      static_cast<unsigned>(up_to(kDistinctTexts)) * 7919u % 100'000'000u);
        std::uint64_t words[2];
        std::memcpy(words, text, 16);
        put(words[0]);
        put(words[1]);
    }
}

void Workload::tight_span(Stream& stream) {
    put_timed(SPANRING_REC_BEGIN, kTight, stream);
    put_attributes();
    stream.now += 12 + up_to(4);
    put_timed(SPANRING_REC_END, static_cast<std::uint32_t>(stream.next_ordinal & 0xffffff), stream);
    stream.now += 12 + up_to(4);
    ++stream.next_ordinal;
    ++spans_;
}

// Between two octiles the logarithm is taken as straight: the last one reaches far out.
std::int64_t Workload::duration_of(std::int32_t operation) {
    const auto& octiles = kOperations[operation].duration_ns;
    const std::uint64_t drawn = up_to(8u << 20);
    const auto below = static_cast<std::size_t>(drawn >> 20);
    const double part = static_cast<double>(drawn & 0xfffff) / double{1 << 20};
    const double low = std::log(static_cast<double>(octiles[below]) + 1);
    const double high = std::log(static_cast<double>(octiles[below + 1]) + 1);
    return static_cast<std::int64_t>(std::exp(low + (high - low) * part));
}

void Workload::call(Stream& stream, Active& active) {
    if (active.trace == nullptr || active.next_call == active.trace->size()) {
        active.trace = &traces_[up_to(traces_.size())];
        active.next_call = 0;
        active.root = 0;
        active.keys.assign(active.trace->size(), {});
    }
    const MixCall& call = (*active.trace)[active.next_call];
    auto& keys = active.keys[active.next_call];
    ++active.next_call;
    if (call.caller >= 0) {
        put(spanring_record_head(SPANRING_REC_ATTACH_LOCAL, 0, 0));
        put(active.keys[static_cast<std::size_t>(call.caller)]
                       [static_cast<std::size_t>(call.caller_span)]);
        put(active.root);
    }
    std::vector<std::uint64_t> open;
    bool leaf = false;
    std::int32_t last = 0;
    for (const std::int32_t step : call.steps) {
        if (step == kMixEnd) {
            // A leaf takes its time, what is above it some more.
            const std::int64_t took = duration_of(last);
            stream.now += leaf ? static_cast<std::uint64_t>(took) : 1 + up_to(kPauseNs);
            put_timed(SPANRING_REC_END, static_cast<std::uint32_t>(open.back() & 0xffffff), stream);
            open.pop_back();
            leaf = false;
            continue;
        }
        stream.now += 1 + up_to(kPauseNs);
        const std::uint64_t key = SpanKey::of(stream.number, stream.next_ordinal++).value;
        put_timed(SPANRING_REC_BEGIN, kOperationsFrom + static_cast<std::uint32_t>(step), stream);
        put_attributes();
        if (active.root == 0) active.root = key;
        keys.push_back(key);
        open.push_back(key);
        ++spans_;
        leaf = true;
        last = step;
    }
    if (call.caller >= 0) put(spanring_record_head(SPANRING_REC_DETACH, 0, 0));
    stream.now += 1 + up_to(kPauseNs);
}

void Workload::fill(Stream& stream) {
    // A page ends where the stack is empty, so that none needs a snapshot: the largest call of the
    // mix has 26 spans, each with two records and its attributes.
    const std::size_t span_words = 2 + 2 * options_.integers + 3 * options_.texts;
    const std::size_t room = (kPageBytes - SPANRING_PAGE_DATA) / 8;
    std::size_t most = 0;
    for (const MixTrace& trace : traces_) {
        for (const MixCall& call : trace) most = std::max(most, call.steps.size() / 2);
    }
    const std::size_t needed = options_.mix ? most * span_words + 4 : span_words;
    while (page_.size() + needed <= room) {
        // The time is a delta of 32 bits to the page's base.
        if (stream.now - base_ > 0xf0000000u) break;
        if (options_.mix) {
            call(stream, stream.active[up_to(kTracesAtOnce)]);
        } else {
            tight_span(stream);
        }
    }
}

consumer::PageBytes Workload::next_page() {
    Stream& stream = streams_[next_stream_];
    next_stream_ = (next_stream_ + 1) % streams_.size();
    page_.clear();
    base_ = stream.now;
    consumer::PageBytes page;
    page.stream = stream.number;
    page.sequence = ++stream.sequence;
    page.base_ticks = base_;
    page.first_ordinal = stream.next_ordinal;
    fill(stream);
    page.records = std::as_bytes(std::span(page_));
    return page;
}

}  // namespace spanring::bench
