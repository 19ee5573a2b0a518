// Traces, spans and parents.
#include <algorithm>

#include "integers.hpp"
#include "number_table.hpp"
#include "row_columns.hpp"

namespace spanring::codec {
namespace {

using Words = std::vector<std::uint64_t>;

// How a trace's id is written.
enum TraceMode : std::uint8_t {
    kRootIsFirst = 0,  // native, and its first row is the span that it is named after
    kNative = 1,       // instance number from a dictionary, key as an integer
    kForeign64 = 2,    // the lower 8 bytes; the upper ones are zero
    kForeign128 = 3,
};

// What the next span of a stream is expected to be: the one after the last.
class OrdinalPredictor {
public:
    /// `numbers` is cleared if it is needed; there are at most as many streams as rows.
    OrdinalPredictor(NumberTable& numbers, std::size_t rows) : numbers_(numbers), rows_(rows) {}

    /// Returns the last ordinal of this stream, to be updated by the caller.
    std::uint64_t& last(InstanceIndex instance, std::uint32_t stream) {
        const std::uint64_t key = std::uint64_t{instance} << 32 | stream;
        if (recent_ >= streams_.size() || streams_[recent_].key != key) recent_ = find(key);
        return streams_[recent_].ordinal;
    }

private:
    struct Stream {
        std::uint64_t key;
        std::uint64_t ordinal;
    };
    // Up to here they are scanned.
    static constexpr std::size_t kScannedMax = 16;

    std::size_t find(std::uint64_t key) {
        if (!indexed_) {
            for (std::size_t n = 0; n < streams_.size(); ++n) {
                if (streams_[n].key == key) return n;
            }
            if (streams_.size() == kScannedMax) index();
        }
        const auto number = static_cast<std::uint32_t>(streams_.size());
        if (indexed_) {
            std::uint32_t& slot = slot_of(key);
            if (slot != NumberTable::kFree) return slot;
            slot = number;
        }
        streams_.push_back({key, 0});
        return number;
    }
    void index() {
        numbers_.clear(rows_);
        for (std::uint32_t n = 0; n < streams_.size(); ++n) slot_of(streams_[n].key) = n;
        indexed_ = true;
    }
    std::uint32_t& slot_of(std::uint64_t key) {
        return numbers_.slot(mix(key), [&](std::uint32_t n) { return streams_[n].key == key; });
    }

    NumberTable& numbers_;
    std::size_t rows_;
    std::vector<Stream> streams_;
    std::size_t recent_{0};
    bool indexed_{false};
};

// Codes of the parent column: 0 a root, 1 explicit, then the distance to the parent's row within
// the trace: 2d when it stands d rows before, 2d + 1 when it stands d rows after.
constexpr std::uint32_t kRootCode = 0;
constexpr std::uint32_t kExplicitCode = 1;

// Finds the row of a trace that holds a span.
class ParentFinder {
public:
    static constexpr std::size_t kNone = ~std::size_t{0};
    // Up to here a scan of adjacent words beats hashing.
    static constexpr std::size_t kScannedMax = 48;

    ParentFinder(std::span<const std::uint64_t> spans, NumberTable& table)
        : spans_(spans), table_(table) {}

    void enter(std::size_t begin, std::size_t end) {
        begin_ = begin;
        end_ = end;
        last_parent_ = 0;
        if (end - begin <= kScannedMax) return;
        table_.clear(end - begin);
        for (std::size_t i = begin; i < end; ++i) {
            std::uint32_t& slot = slot_of(spans_[i]);
            if (slot == NumberTable::kFree) slot = static_cast<std::uint32_t>(i);
        }
    }

    /// Returns the position of a row of this trace other than `child` with that span, or kNone.
    std::size_t find(std::size_t child, std::uint64_t parent) {
        if (parent != last_parent_ || found_ == child) {
            found_ = end_ - begin_ <= kScannedMax ? scan(child, parent) : look_up(child, parent);
            last_parent_ = parent;
        }
        return found_;
    }

private:
    std::uint32_t& slot_of(std::uint64_t span) {
        return table_.slot(mix(span), [&](std::uint32_t i) { return spans_[i] == span; });
    }
    std::size_t scan(std::size_t child, std::uint64_t parent) const noexcept {
        for (std::size_t i = child; i-- > begin_;) {
            if (spans_[i] == parent) return i;
        }
        for (std::size_t i = child + 1; i < end_; ++i) {
            if (spans_[i] == parent) return i;
        }
        return kNone;
    }
    std::size_t look_up(std::size_t child, std::uint64_t parent) {
        const std::uint32_t slot = slot_of(parent);
        return slot == NumberTable::kFree || slot == child ? kNone : slot;
    }

    std::span<const std::uint64_t> spans_;
    NumberTable& table_;
    std::size_t begin_{0};
    std::size_t end_{0};
    std::uint64_t last_parent_{0};
    std::size_t found_{kNone};
};

std::uint32_t parent_code(std::size_t child, std::size_t parent) noexcept {
    return static_cast<std::uint32_t>(parent < child ? 2 * (child - parent)
                                                     : 2 * (parent - child) + 1);
}

bool get_raw_words(ByteReader& in, std::size_t count, Words* words) {
    words->resize(count);
    const auto bytes = in.bytes(count * 8);
    if (in.ok() && count > 0) std::memcpy(words->data(), bytes.data(), bytes.size());
    return in.ok();
}

void put_raw_words(Buffer& out, std::span<const std::uint64_t> words) {
    put_bytes(out, std::as_bytes(words));
}

}  // namespace

void TraceIds::clear(std::size_t traces) {
    count_ = 0;
    modes_.assign(traces, kRootIsFirst);
    highs_.clear();
    high_numbers_.clear();
    keys_.clear();
    raw_.clear();
}

void TraceIds::add_other(const Row& first) {
    if (has_flag(first, RowFlag::kNativeTrace)) {
        modes_[count_] = kNative;
        const auto known = std::find(highs_.begin(), highs_.end(), first.trace_high);
        high_numbers_.push_back(static_cast<std::uint64_t>(known - highs_.begin()));
        if (known == highs_.end()) highs_.push_back(first.trace_high);
        keys_.push_back(first.trace_low);
        return;
    }
    modes_[count_] = first.trace_high == 0 ? kForeign64 : kForeign128;
    if (first.trace_high != 0) raw_.push_back(first.trace_high);
    raw_.push_back(first.trace_low);
}

void TraceIds::put(Buffer& out, std::span<const std::uint32_t> trace_sizes,
                   std::size_t row_count) const {
    put_varint(out, trace_sizes.size());
    if (trace_sizes.size() == row_count) {
        put_plain(out, trace_sizes);  // all of them 1
    } else {
        put_integers(out, Words(trace_sizes.begin(), trace_sizes.end()));
    }
    put_plain(out, std::span(modes_));
    put_varint(out, highs_.size());
    put_raw_words(out, highs_);
    put_integers(out, high_numbers_);
    put_integers(out, keys_);
    put_raw_words(out, raw_);
}

void RowColumnWriter::put_spans(Buffer& out, const StoredRows& in) {
    const auto streams = streams_.take(in.size());
    const auto ordinals = words_.take(in.size());
    const bool all_native = in.all_have(RowFlag::kNativeSpan);
    std::size_t native = 0;
    Words raw;
    OrdinalPredictor predictor(table_, in.size());
    for (std::size_t i = 0; i < in.size();) {
        if (!all_native && !in.has(i, RowFlag::kNativeSpan)) {
            raw.push_back(in.spans[i++]);
            continue;
        }
        // Spans of a stream tend to stand one after the other.
        const std::uint32_t shape = in.shape_of[i];
        const std::uint64_t stream = in.spans[i] >> SpanKey::kOrdinalBits;
        std::uint64_t& stored_last =
            predictor.last(in.shapes[shape].instance, static_cast<std::uint32_t>(stream));
        std::uint64_t last = stored_last;
        do {
            const std::uint64_t ordinal = in.spans[i] & SpanKey::kOrdinalMask;
            streams[native] = static_cast<std::uint16_t>(stream);
            ordinals[native++] = zigzag(ordinal - last - 1);
            last = ordinal;
            ++i;
        } while (i < in.size() && in.spans[i] >> SpanKey::kOrdinalBits == stream &&
                 (in.shape_of[i] == shape || in.alike(in.shape_of[i], shape)));
        stored_last = last;
    }
    put_plain(out, std::span<const std::uint16_t>(streams.first(native)));
    put_packed(out, ordinals.first(native));
    put_raw_words(out, raw);
}

void RowColumnWriter::put_parents(Buffer& out, const StoredRows& in) {
    const auto codes = codes_.filled(in.size(), kRootCode);
    Words native, raw;
    if (in.all_roots) {
        put_plain(out, std::span<const std::uint32_t>(codes));
        put_integers(out, native);
        return;
    }
    ParentFinder finder(in.spans, table_);
    std::size_t i = 0;
    for (const std::uint32_t size : in.trace_sizes) {
        if (size == 1 && in.parents[i] == 0) {
            ++i;
            continue;
        }
        if (size > 1) finder.enter(i, i + size);
        for (const std::size_t end = i + size; i < end; ++i) {
            const std::uint64_t parent = in.parents[i];
            if (parent == 0) continue;
            const std::size_t row = size > 1 ? finder.find(i, parent) : ParentFinder::kNone;
            if (row != ParentFinder::kNone) {
                codes[i] = parent_code(i, row);
                continue;
            }
            codes[i] = kExplicitCode;
            if (in.has(i, RowFlag::kNativeParent)) {
                native.push_back(zigzag(in.spans[i] - parent));
            } else {
                raw.push_back(parent);
            }
        }
    }
    put_plain(out, std::span<const std::uint32_t>(codes));
    put_integers(out, native);
    put_raw_words(out, raw);
}

std::size_t LoadedRows::count(std::uint32_t flag) const noexcept {
    std::size_t rows = 0;
    for (std::size_t s = 0; s < shapes.size(); ++s)
        if (has_flag(shapes[s], flag)) rows += count_of[s];
    return rows;
}

std::span<const std::uint32_t> LoadedRows::positions() {
    if (by_shape.empty())
        by_shape = positions_by_shape(std::span<const std::uint32_t>(shape_of), shapes.size());
    return by_shape;
}

bool get_trace_sizes(ByteReader& in, LoadedRows* out) {
    const std::uint64_t traces = in.varint_up_to(out->size());
    Words sizes;
    if (!get_integers(in, traces, &sizes)) return false;
    std::uint64_t total = 0;
    out->traces.resize(sizes.size());
    for (std::size_t t = 0; t < sizes.size(); ++t) {
        if (sizes[t] == 0 || sizes[t] > out->size() - total) return false;
        out->traces[t].first = static_cast<std::uint32_t>(total);
        out->traces[t].count = static_cast<std::uint32_t>(sizes[t]);
        total += sizes[t];
    }
    return total == out->size();
}

bool get_spans(ByteReader& in, LoadedRows* out) {
    const std::size_t native_count = out->count(RowFlag::kNativeSpan);
    Words streams, ordinals, raw;
    if (!get_integers(in, native_count, &streams) || !get_integers(in, native_count, &ordinals) ||
        !get_raw_words(in, out->size() - native_count, &raw)) {
        return false;
    }
    if (native_count == 0) {
        out->spans = std::move(raw);
        return in.finished();
    }
    out->spans.resize(out->size());
    NumberTable table;
    OrdinalPredictor predictor(table, out->size());
    std::size_t native_at = 0;
    std::size_t raw_at = 0;
    for (std::size_t i = 0; i < out->size(); ++i) {
        const Row& shape = out->shape(i);
        if (!has_flag(shape, RowFlag::kNativeSpan)) {
            out->spans[i] = raw[raw_at++];
            continue;
        }
        const std::uint64_t stream = streams[native_at];
        if (stream > 0xffff) return false;
        std::uint64_t& last = predictor.last(shape.instance, static_cast<std::uint32_t>(stream));
        last = (last + 1 + unzigzag(ordinals[native_at++])) & SpanKey::kOrdinalMask;
        out->spans[i] = SpanKey::of(static_cast<std::uint32_t>(stream), last).value;
    }
    return in.finished();
}

bool TraceIdReader::read(ByteReader& in, std::size_t traces) {
    if (!get_integers(in, traces, &modes_)) return false;
    const auto count = [&](std::uint64_t mode) {
        return static_cast<std::size_t>(std::count(modes_.begin(), modes_.end(), mode));
    };
    const std::size_t native = count(kNative);
    return get_raw_words(in, in.varint_up_to(native), &highs_) &&
           get_integers(in, native, &high_numbers_) && get_integers(in, native, &keys_) &&
           get_raw_words(in, count(kForeign64) + 2 * count(kForeign128), &raw_) && in.finished();
}

bool TraceIdReader::needs_spans() const noexcept {
    return std::find(modes_.begin(), modes_.end(), kRootIsFirst) != modes_.end();
}

bool TraceIdReader::fill(LoadedRows* out, const Batch& tables) const {
    std::size_t native_at = 0;
    std::size_t raw_at = 0;
    for (std::size_t t = 0; t < modes_.size(); ++t) {
        TraceRows& trace = out->traces[t];
        const Row& first = out->shape(trace.first);
        trace.native = has_flag(first, RowFlag::kNativeTrace);
        switch (modes_[t]) {
            case kRootIsFirst:
                if (first.instance == 0) return false;
                trace.high = tables.instance(first.instance).id.number();
                trace.low = out->spans[trace.first];
                break;
            case kNative:
                if (high_numbers_[native_at] >= highs_.size()) return false;
                trace.high = highs_[high_numbers_[native_at]];
                trace.low = keys_[native_at++];
                break;
            case kForeign128: trace.high = raw_[raw_at++]; [[fallthrough]];
            case kForeign64: trace.low = raw_[raw_at++]; break;
            default: return false;
        }
    }
    return true;
}

bool get_parents(ByteReader& in, LoadedRows* out) {
    Words codes, native, raw;
    if (!get_integers(in, out->size(), &codes)) return false;
    std::size_t native_count = 0;
    std::size_t raw_count = 0;
    for (std::size_t i = 0; i < codes.size(); ++i) {
        if (codes[i] != kExplicitCode) continue;
        ++(out->has(i, RowFlag::kNativeParent) ? native_count : raw_count);
    }
    if (!get_integers(in, native_count, &native) || !get_raw_words(in, raw_count, &raw)) {
        return false;
    }
    const Words& spans = out->spans;
    std::size_t native_at = 0;
    std::size_t raw_at = 0;
    out->parents.resize(out->size());
    for (const TraceRows& trace : out->traces) {
        const std::size_t begin = trace.first;
        const std::size_t end = begin + trace.count;
        for (std::size_t i = begin; i < end; ++i) {
            const std::uint64_t distance = codes[i] / 2;
            if (codes[i] == kRootCode) {
                out->parents[i] = 0;
            } else if (codes[i] == kExplicitCode) {
                out->parents[i] = out->has(i, RowFlag::kNativeParent)
                                      ? spans[i] - unzigzag(native[native_at++])
                                      : raw[raw_at++];
            } else if (codes[i] % 2 == 0) {
                if (distance > i - begin) return false;
                out->parents[i] = spans[i - distance];
            } else {
                if (distance >= end - i) return false;
                out->parents[i] = spans[i + distance];
            }
        }
    }
    return in.finished();
}

}  // namespace spanring::codec
