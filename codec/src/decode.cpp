// Bytes -> columns and rows.
#include <algorithm>
#include <string>
#include <utility>

#include "batch_decoder.hpp"
#include "integers.hpp"
#include "spanring/abi/record_layout.h"

namespace spanring::codec {
namespace {

constexpr std::size_t kInstanceBytes = 48;

// Beside the parts that others ask for.
constexpr unsigned kSizes = Part::kAll + 1;

ShapeFields get_fields(ByteReader& in) {
    ShapeFields f;
    f.name = static_cast<StringId>(in.varint_up_to(~0u));
    f.flags = static_cast<std::uint32_t>(in.varint_up_to(~0u));
    f.kind = static_cast<std::uint8_t>(in.varint_up_to(0xff));
    f.status = static_cast<std::uint8_t>(in.varint_up_to(0xff));
    f.trace_flags = static_cast<std::uint16_t>(in.varint_up_to(0xffff));
    f.resource = static_cast<ResourceId>(in.varint_up_to(~0u));
    f.scope = static_cast<ScopeId>(in.varint_up_to(~0u));
    f.instance = static_cast<InstanceIndex>(in.varint_up_to(~0u));
    return f;
}

Row row_of(const ShapeFields& f) {
    Row row;
    row.flags = f.flags;
    row.name = f.name;
    row.resource = f.resource;
    row.scope = f.scope;
    row.instance = f.instance;
    row.kind = f.kind;
    row.status = f.status;
    row.trace_flags = f.trace_flags;
    return row;
}

}  // namespace

Result<void> BatchDecoder::open() {
    for (const Step step :
         {&BatchDecoder::get_strings, &BatchDecoder::get_tables, &BatchDecoder::get_shapes}) {
        if (auto done = (this->*step)(); !done) return done;
    }
    return {};
}

Result<ByteReader> BatchDecoder::section(SectionId id, Buffer* buffer) {
    auto content = sections_.read(id, buffer);
    if (!content) return std::move(content).error();
    return ByteReader(*content);
}

Result<void> BatchDecoder::get_strings() {
    Buffer buffer;
    auto in = section(SectionId::kStrings, &buffer);
    if (!in) return std::move(in).error();
    std::vector<std::uint64_t> lengths;
    if (!get_integers(*in, in->varint_up_to(SPANRING_STRINGS_MAX), &lengths)) {
        return corrupt_batch("strings: lengths");
    }
    std::uint64_t total = 0;
    tables_.string_ends_.reserve(lengths.size() + 1);
    for (const std::uint64_t length : lengths) {
        if (length > in->left() - total) return corrupt_batch("strings: longer than their text");
        total += length;
        tables_.string_ends_.push_back(total);
    }
    const auto text = in->bytes(total);
    if (!in->finished()) return corrupt_batch("strings: bytes left over");
    tables_.text_.assign(reinterpret_cast<const char*>(text.data()), text.size());
    return {};
}

Result<void> BatchDecoder::get_tables() {
    Buffer buffer;
    auto in = section(SectionId::kTables, &buffer);
    if (!in) return std::move(in).error();
    const std::size_t instances = in->varint_up_to(in->left() / kInstanceBytes);
    for (std::size_t i = 0; i < instances; ++i) {
        Instance instance;
        instance.id.bytes = in->fixed<Key128>();
        instance.host_key = in->fixed<Key128>();
        instance.span_key = in->fixed<Key128>();
        tables_.instances_.push_back(instance);
    }
    const std::size_t resources = in->varint_up_to(in->left());
    for (std::size_t i = 0; i < resources; ++i) {
        const auto records = in->bytes(in->varint());
        if (!resource_is_valid(records)) return corrupt_batch("a resource does not parse");
        tables_.resources_.emplace_back(records.begin(), records.end());
    }
    const std::size_t scopes = in->varint_up_to(in->left());
    const std::size_t last_string = tables_.string_count() - 1;
    for (std::size_t i = 0; i < scopes; ++i) {
        const auto name = static_cast<StringId>(in->varint_up_to(last_string));
        const auto version = static_cast<StringId>(in->varint_up_to(last_string));
        tables_.scopes_.emplace_back(name, version);
    }
    if (!in->finished()) return corrupt_batch("tables of instances, resources, scopes");
    return {};
}

bool BatchDecoder::resource_is_valid(std::span<const std::byte> records) const {
    DetailReader reader(records);
    for (Detail detail; reader.next(&detail);) {
        if (detail.kind > SPANRING_REC_ATTR_STRING_ARRAY) return false;
        if (detail.id >= tables_.string_count()) return false;
    }
    return reader.ok();
}

Result<void> BatchDecoder::get_shapes() {
    Buffer buffer;
    auto in = section(SectionId::kShapes, &buffer);
    if (!in) return std::move(in).error();
    const TableSizes sizes{tables_.string_count(), tables_.resource_count(), tables_.scope_count(),
                           tables_.instance_count()};
    const std::size_t count = in->varint_up_to(sections_.row_count());
    for (std::size_t i = 0; i < count; ++i) {
        const ShapeFields fields = get_fields(*in);
        const std::size_t head_count = in->varint_up_to(in->left() / 2);
        const std::size_t first_head = shapes_.heads.size();
        for (std::size_t h = 0; h < head_count; ++h) {
            const Head kind = in->fixed<std::uint8_t>();
            const Head head = kind | static_cast<Head>(in->varint_up_to(0xffffff)) << 8;
            if (!head_is_valid(head)) return corrupt_batch("a shape holds no such detail");
            shapes_.heads.push_back(head);
        }
        if (!in->ok()) break;
        if (const char* fault = fault_of(fields, sizes)) return corrupt_batch(fault);
        shapes_.shapes.push_back({fields, first_head, head_count});
        shape_rows_.push_back(row_of(fields));
    }
    if (!in->finished()) return corrupt_batch("shapes");
    shapes_.number_columns_from(0);
    for (std::size_t h = 0; h < shapes_.heads.size(); ++h) {
        if (shapes_.column_of[h] == column_heads_.size()) column_heads_.push_back(shapes_.heads[h]);
    }
    rows_.shapes = shape_rows_;
    return {};
}

bool BatchDecoder::head_is_valid(Head head) const noexcept {
    return head_is_storable(head) &&
           (!head_names_string(head) || id_of(head) < tables_.string_count());
}

Result<void> BatchDecoder::once(unsigned bit, Step step) {
    if ((done_ & bit) != 0) return {};
    auto done = (this->*step)();
    if (done) done_ |= bit;
    return done;
}

Result<void> BatchDecoder::load(unsigned parts) {
    using Self = BatchDecoder;
    struct Stage {
        unsigned bit;
        unsigned wanted_by;
        Step step;
    };
    // In an order in which each finds what it needs.
    static constexpr Stage kStages[] = {
        {Part::kShapes, ~0u, &Self::get_shape_of_row},
        {kSizes, Part::kStarts | Part::kParents | Part::kTraces, &Self::get_trace_sizes},
        {Part::kSpans, Part::kSpans | Part::kParents, &Self::get_spans},
        {Part::kTraces, Part::kTraces, &Self::get_traces},
        {Part::kParents, Part::kParents, &Self::get_parents},
        {Part::kStarts, Part::kStarts, &Self::get_starts},
        {Part::kDurationsByShape, Part::kDurationsByShape | Part::kDurations, &Self::get_durations},
        {Part::kDurations, Part::kDurations, &Self::deal_durations},
    };
    for (const Stage& stage : kStages) {
        if ((parts & stage.wanted_by) == 0) continue;
        if (auto done = once(stage.bit, stage.step); !done) return done;
    }
    return {};
}

Result<void> BatchDecoder::get_shape_of_row() {
    Buffer buffer;
    auto in = section(SectionId::kShapeOfRow, &buffer);
    if (!in) return std::move(in).error();
    std::vector<std::uint64_t> numbers;
    if (!get_integers(*in, sections_.row_count(), &numbers) || !in->finished()) {
        return corrupt_batch("shapes of the rows");
    }
    rows_.shape_of.resize(numbers.size());
    rows_.count_of.assign(shapes_.shapes.size(), 0);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        if (numbers[i] >= shapes_.shapes.size()) return corrupt_batch("a row has no shape");
        rows_.shape_of[i] = static_cast<std::uint32_t>(numbers[i]);
        ++rows_.count_of[rows_.shape_of[i]];
    }
    return count_values();
}

// A record takes 8 bytes at least: refuses batches that would grow beyond the limit before anything
// is allocated for them.
Result<void> BatchDecoder::count_values() {
    value_counts_.assign(column_heads_.size(), 0);
    std::uint64_t records = 0;
    for (std::size_t s = 0; s < shapes_.shapes.size(); ++s) {
        records += std::uint64_t{rows_.count_of[s]} * shapes_.shapes[s].head_count;
        if (records > kBatchBytesMax / 8) return corrupt_batch("too many details");
        for (const std::uint32_t c : shapes_.columns_of(shapes_.shapes[s])) {
            value_counts_[c] += rows_.count_of[s];
        }
    }
    return {};
}

Result<void> BatchDecoder::get_trace_sizes() {
    auto in = section(SectionId::kTraces, &traces_buffer_);
    if (!in) return std::move(in).error();
    if (!codec::get_trace_sizes(*in, &rows_)) return corrupt_batch("sizes of the traces");
    traces_in_ = *in;
    return {};
}

Result<void> BatchDecoder::get_rows(SectionId id, RowReader read, const char* what) {
    Buffer buffer;
    auto in = section(id, &buffer);
    if (!in) return std::move(in).error();
    return read(*in, &rows_) ? Result<void>{} : corrupt_batch(what);
}

Result<void> BatchDecoder::get_spans() {
    return get_rows(SectionId::kSpans, codec::get_spans, "span ids");
}

Result<void> BatchDecoder::get_traces() {
    TraceIdReader reader;
    if (!reader.read(traces_in_, rows_.traces.size())) return corrupt_batch("trace ids");
    if (reader.needs_spans()) {
        if (auto done = once(Part::kSpans, &BatchDecoder::get_spans); !done) return done;
    }
    return reader.fill(&rows_, tables_) ? Result<void>{} : corrupt_batch("trace ids");
}

Result<void> BatchDecoder::get_parents() {
    return get_rows(SectionId::kParents, codec::get_parents, "parents");
}

Result<void> BatchDecoder::get_starts() {
    return get_rows(SectionId::kStarts, codec::get_starts, "start times");
}

Result<void> BatchDecoder::get_durations() {
    return get_rows(SectionId::kDurations, codec::get_durations, "durations");
}

Result<void> BatchDecoder::deal_durations() {
    deal_out_durations(&rows_);
    return {};
}

Result<const ColumnReader*> BatchDecoder::column(std::size_t number) {
    if (auto counted = load(Part::kShapes); !counted) return std::move(counted).error();
    if (columns_.empty()) columns_.resize(column_heads_.size());
    if (columns_[number]) return &*columns_[number];
    Buffer buffer;
    const auto id = static_cast<std::uint32_t>(SectionId::kColumnFirst) + number;
    auto content = sections_.read(static_cast<SectionId>(id), &buffer);
    if (!content) return std::move(content).error();
    ColumnReader column(column_heads_[number], value_counts_[number]);
    if (!column.read(*content, std::move(buffer), sections_.may_have_dictionaries()))
        return corrupt_batch("column of values " + std::to_string(number));
    // One row may hold them all.
    repeated_bytes_ += column.repeated_bytes();
    if (repeated_bytes_ > kBatchBytesMax) return corrupt_batch("too many details");
    return &columns_[number].emplace(std::move(column));
}

std::span<const std::uint32_t> BatchDecoder::rows_of_column(std::size_t number) {
    if (rows_of_column_.empty()) rows_of_column_.resize(column_heads_.size());
    auto& rows = rows_of_column_[number];
    if (!rows.empty() || value_counts_[number] == 0) return rows;
    std::vector<std::uint32_t> times(shapes_.shapes.size(), 0);
    for (std::size_t s = 0; s < times.size(); ++s) {
        const auto columns = shapes_.columns_of(shapes_.shapes[s]);
        times[s] = static_cast<std::uint32_t>(std::ranges::count(columns, number));
    }
    rows.reserve(value_counts_[number]);
    for (std::uint32_t i = 0; i < rows_.shape_of.size(); ++i)
        rows.insert(rows.end(), times[rows_.shape_of[i]], i);
    return rows;
}

// Deals the columns' values out to the rows.
Result<void> BatchDecoder::put_rows(std::span<const std::uint32_t> numbers, Batch* out) {
    if (auto loaded = load(Part::kAll); !loaded) return loaded;
    std::vector<std::size_t> next(column_heads_.size(), 0);
    std::vector<const ColumnReader*> columns(column_heads_.size(), nullptr);
    auto trace = rows_.traces.begin();
    std::size_t i = 0;
    out->rows.resize(numbers.size());
    for (std::size_t n = 0; n < numbers.size(); ++n, ++i) {
        for (; i < numbers[n]; ++i)
            for (const std::uint32_t c : columns_of_row(i)) ++next[c];
        while (i >= trace->first + trace->count) ++trace;
        Row& row = out->rows[n];
        row = shape_rows_[rows_.shape_of[i]];
        row.trace_high = trace->high;
        row.trace_low = trace->low;
        row.span = rows_.spans[i];
        row.parent = rows_.parents[i];
        row.start_ns = static_cast<std::int64_t>(rows_.starts[i]);
        row.duration_ns = static_cast<std::int64_t>(rows_.durations[i]);
        row.details_offset = out->details.size();
        for (const std::uint32_t c : columns_of_row(i)) {
            if (columns[c] == nullptr) {
                auto column = this->column(c);
                if (!column) return std::move(column).error();
                columns[c] = *column;
            }
            columns[c]->put(next[c]++, row.start_ns, &out->details);
        }
        if (out->details.size() > kBatchBytesMax) return corrupt_batch("too many details");
        row.details_bytes = static_cast<std::uint32_t>(out->details.size() - row.details_offset);
    }
    return {};
}

}  // namespace spanring::codec
