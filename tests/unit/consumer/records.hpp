// Pages written by hand, record by record, and what an assembler needs around it. No test
// framework: the fuzz targets use it too.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spanring/abi/record_layout.h"
#include "spanring/base/ids.hpp"
#include "spanring/consumer/clock.hpp"
#include "spanring/consumer/row_sink.hpp"

namespace spanring::consumer::testing {

/// Realtime = ticks + this, in all tests.
inline constexpr std::int64_t kRealOffset = 1'700'000'000'000'000'000;

inline ClockSource fixed_clock() {
    return [] { return ClockReading{1'000'000, 1'000'000, 1'000'000 + kRealOffset}; };
}

class Strings final : public StringSource {
public:
    std::uint32_t add(const std::string& text) {
        texts_.push_back(text);
        return static_cast<std::uint32_t>(texts_.size() - 1);
    }
    std::optional<std::string_view> string(std::uint32_t number) override {
        if (number >= texts_.size()) return std::nullopt;
        return texts_[number];
    }

private:
    std::vector<std::string> texts_{""};
};

/// Writes the records of one stream, as bytes of pages; times are absolute.
class RecordWriter {
public:
    explicit RecordWriter(std::uint32_t stream = 0) : stream_(stream) {}

    struct Page {
        std::uint32_t stream{0};
        std::uint64_t sequence{0};
        std::uint64_t base{0};
        std::uint64_t first_ordinal{1};
        std::vector<std::byte> bytes;
        std::vector<std::size_t> ends;  ///< of the records
    };

    RecordWriter& page(std::uint64_t base, std::uint64_t first_ordinal) {
        pages_.push_back({stream_, pages_.size(), base, first_ordinal, {}, {}});
        base_ = base;
        return *this;
    }
    RecordWriter& record(std::uint32_t kind, std::uint32_t id, std::uint32_t low,
                         const std::vector<std::uint64_t>& words = {}) {
        put(spanring_record_head(kind, id, low));
        for (const std::uint64_t word : words) put(word);
        if (entries_ > 0) {
            // A snapshot is published with its entries, by one store.
            pages_.back().ends.pop_back();
            --entries_;
        }
        pages_.back().ends.push_back(pages_.back().bytes.size());
        return *this;
    }
    RecordWriter& payload(std::uint32_t kind, std::uint32_t id, std::string_view text) {
        put(spanring_record_head(kind, id, static_cast<std::uint32_t>(text.size())));
        auto& bytes = pages_.back().bytes;
        const std::size_t at = bytes.size();
        bytes.resize(at + ((text.size() + 7) & ~std::size_t{7}));
        std::memcpy(bytes.data() + at, text.data(), text.size());
        pages_.back().ends.push_back(bytes.size());
        return *this;
    }
    RecordWriter& begin(std::uint32_t name, std::uint64_t at) {
        return record(SPANRING_REC_BEGIN, name, delta(at));
    }
    RecordWriter& begin_async(std::uint32_t name, std::uint64_t at) {
        return record(SPANRING_REC_BEGIN_ASYNC, name, delta(at));
    }
    RecordWriter& end(std::uint64_t ordinal, std::uint64_t at) {
        return record(SPANRING_REC_END, static_cast<std::uint32_t>(ordinal) & 0xffffff, delta(at));
    }
    RecordWriter& end_shared(std::uint64_t ordinal, std::uint64_t at) {
        return record(SPANRING_REC_END_SHARED, static_cast<std::uint32_t>(ordinal) & 0xffffff,
                      delta(at));
    }
    /// Aims the next record at a span of this stream that no other has written for.
    RecordWriter& aim(SpanKey key) { return record(SPANRING_REC_FOR, 0, 0, {key.value}); }
    /// Aims the next record at a span that several streams write for.
    RecordWriter& aim_shared(SpanKey key, std::uint64_t at) {
        return record(SPANRING_REC_FOR, SPANRING_FOR_ORDERED, delta(at), {key.value});
    }
    RecordWriter& end_for(SpanKey key, std::uint64_t at) {
        aim_shared(key, at);
        return end_aimed(key, at);
    }
    RecordWriter& end_aimed(SpanKey key, std::uint64_t at) {
        return record(SPANRING_REC_END, static_cast<std::uint32_t>(key.ordinal()) & 0xffffff,
                      delta(at));
    }
    RecordWriter& event(std::uint32_t name, std::uint64_t at) {
        return record(SPANRING_REC_EVENT, name, delta(at));
    }
    RecordWriter& integer(std::uint32_t key, std::int64_t value, std::uint32_t target = 0) {
        return record(SPANRING_REC_ATTR_INT | target, key, 0, {static_cast<std::uint64_t>(value)});
    }
    RecordWriter& name(std::string_view text) { return payload(SPANRING_REC_NAME, 0, text); }
    RecordWriter& snapshot(std::uint32_t entries, std::uint32_t depth, std::uint32_t kept = 0) {
        record(SPANRING_REC_SNAPSHOT, entries, depth | kept << 16);
        entries_ = entries;
        return *this;
    }
    /// `root`: ordinal of the first span of its trace, on the same stream; 0: itself.
    RecordWriter& open(std::uint64_t ordinal, std::uint32_t flags = 0, std::uint64_t root = 0) {
        const SpanKey first = SpanKey::of(stream_, root != 0 ? root : ordinal);
        return record(SPANRING_REC_OPEN, flags, 0, {ordinal, first.value});
    }

    [[nodiscard]] const std::vector<Page>& pages() const { return pages_; }
    [[nodiscard]] std::uint32_t stream() const { return stream_; }

private:
    [[nodiscard]] std::uint32_t delta(std::uint64_t at) const {
        return static_cast<std::uint32_t>(at - base_);
    }
    void put(std::uint64_t word) {
        auto& bytes = pages_.back().bytes;
        const std::size_t at = bytes.size();
        bytes.resize(at + 8);
        std::memcpy(bytes.data() + at, &word, 8);
    }

    std::uint32_t stream_;
    std::uint64_t base_{0};
    std::uint32_t entries_{0};  ///< of the snapshot that are to come
    std::vector<Page> pages_;
};

}  // namespace spanring::consumer::testing
