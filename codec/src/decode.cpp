// Bytes -> batch. Nothing in them is trusted: each count is checked before it is used as a size,
// each reference before it is followed.
#include <string>
#include <utility>
#include <vector>

#include "integers.hpp"
#include "row_columns.hpp"
#include "sections.hpp"
#include "shapes.hpp"
#include "spanring/abi/record_layout.h"
#include "spanring/codec/batch.hpp"

namespace spanring::codec {

class BatchDecoder {
public:
    explicit BatchDecoder(const SectionReader& sections) : sections_(sections) {}

    Result<Batch> decode() {
        using Step = Result<void> (BatchDecoder::*)();
        constexpr Step kSteps[] = {&BatchDecoder::get_strings, &BatchDecoder::get_tables,
                                   &BatchDecoder::get_shapes,  &BatchDecoder::get_shape_of_row,
                                   &BatchDecoder::get_rows,    &BatchDecoder::get_details};
        for (const Step step : kSteps) {
            auto done = (this->*step)();
            if (!done) return std::move(done).error();
        }
        return std::move(batch_);
    }

private:
    static constexpr std::size_t kInstanceBytes = 48;

    Result<ByteReader> section(SectionId id, Buffer* buffer) {
        auto content = sections_.read(id, buffer);
        if (!content) return std::move(content).error();
        return ByteReader(*content);
    }

    Result<void> get_strings() {
        Buffer buffer;
        auto in = section(SectionId::kStrings, &buffer);
        if (!in) return std::move(in).error();
        std::vector<std::uint64_t> lengths;
        if (!get_integers(*in, in->varint_up_to(SPANRING_STRINGS_MAX), &lengths)) {
            return corrupt_batch("strings: lengths");
        }
        std::uint64_t total = 0;
        batch_.string_ends_.reserve(lengths.size() + 1);
        for (const std::uint64_t length : lengths) {
            if (length > in->left() - total)
                return corrupt_batch("strings: longer than their text");
            total += length;
            batch_.string_ends_.push_back(total);
        }
        const auto text = in->bytes(total);
        if (!in->finished()) return corrupt_batch("strings: bytes left over");
        batch_.text_.assign(reinterpret_cast<const char*>(text.data()), text.size());
        return {};
    }

    Result<void> get_tables() {
        Buffer buffer;
        auto in = section(SectionId::kTables, &buffer);
        if (!in) return std::move(in).error();
        const std::size_t instances = in->varint_up_to(in->left() / kInstanceBytes);
        for (std::size_t i = 0; i < instances; ++i) {
            Instance instance;
            instance.id.bytes = in->fixed<Key128>();
            instance.host_key = in->fixed<Key128>();
            instance.span_key = in->fixed<Key128>();
            batch_.instances_.push_back(instance);
        }
        const std::size_t resources = in->varint_up_to(in->left());
        for (std::size_t i = 0; i < resources; ++i) {
            const auto records = in->bytes(in->varint());
            if (!resource_is_valid(records)) return corrupt_batch("a resource does not parse");
            batch_.resources_.emplace_back(records.begin(), records.end());
        }
        const std::size_t scopes = in->varint_up_to(in->left());
        const std::size_t last_string = batch_.string_count() - 1;
        for (std::size_t i = 0; i < scopes; ++i) {
            const auto name = static_cast<StringId>(in->varint_up_to(last_string));
            const auto version = static_cast<StringId>(in->varint_up_to(last_string));
            batch_.scopes_.emplace_back(name, version);
        }
        if (!in->finished()) return corrupt_batch("tables of instances, resources, scopes");
        return {};
    }

    [[nodiscard]] bool resource_is_valid(std::span<const std::byte> records) const {
        DetailReader reader(records);
        for (Detail detail; reader.next(&detail);) {
            if (detail.kind > SPANRING_REC_ATTR_STRING_ARRAY) return false;
            if (detail.id >= batch_.string_count()) return false;
        }
        return reader.ok();
    }

    Result<void> get_shapes() {
        Buffer buffer;
        auto in = section(SectionId::kShapes, &buffer);
        if (!in) return std::move(in).error();
        const TableSizes sizes{batch_.string_count(), batch_.resource_count(), batch_.scope_count(),
                               batch_.instance_count()};
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
        }
        if (!in->finished()) return corrupt_batch("shapes");
        shapes_.number_columns_from(0);
        return {};
    }

    static ShapeFields get_fields(ByteReader& in) {
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

    [[nodiscard]] bool head_is_valid(Head head) const noexcept {
        return head_is_storable(head) &&
               (!head_names_string(head) || id_of(head) < batch_.string_count());
    }

    Result<void> get_shape_of_row() {
        Buffer buffer;
        auto in = section(SectionId::kShapeOfRow, &buffer);
        if (!in) return std::move(in).error();
        if (!get_integers(*in, sections_.row_count(), &shape_of_) || !in->finished()) {
            return corrupt_batch("shapes of the rows");
        }
        batch_.rows.resize(shape_of_.size());
        for (std::size_t i = 0; i < shape_of_.size(); ++i) {
            if (shape_of_[i] >= shapes_.shapes.size()) return corrupt_batch("a row has no shape");
            const ShapeFields& f = shapes_.shapes[shape_of_[i]].fields;
            Row& row = batch_.rows[i];
            row.flags = f.flags;
            row.name = f.name;
            row.resource = f.resource;
            row.scope = f.scope;
            row.instance = f.instance;
            row.kind = f.kind;
            row.status = f.status;
            row.trace_flags = f.trace_flags;
        }
        return {};
    }

    Result<void> get_rows() {
        LoadedRows rows{
            batch_.rows,
            {},
            positions_by_shape(std::span<const std::uint64_t>(shape_of_), shapes_.shapes.size())};
        Buffer buffer;
        Buffer other_buffer;
        auto traces = section(SectionId::kTraces, &buffer);
        if (!traces) return std::move(traces).error();
        if (!get_trace_sizes(*traces, &rows)) return corrupt_batch("sizes of the traces");
        auto in = section(SectionId::kSpans, &other_buffer);
        if (!in) return std::move(in).error();
        if (!get_spans(*in, &rows)) return corrupt_batch("span ids");
        if (!get_traces(*traces, &rows, batch_)) return corrupt_batch("trace ids");
        in = section(SectionId::kParents, &buffer);
        if (!in) return std::move(in).error();
        if (!get_parents(*in, &rows)) return corrupt_batch("parents");
        in = section(SectionId::kStarts, &buffer);
        if (!in) return std::move(in).error();
        if (!get_starts(*in, &rows)) return corrupt_batch("start times");
        in = section(SectionId::kDurations, &buffer);
        if (!in) return std::move(in).error();
        if (!get_durations(*in, &rows)) return corrupt_batch("durations");
        return {};
    }

    // Counts the values of each column, reads the columns, then deals their values out to the rows.
    Result<void> get_details() {
        std::vector<ColumnReader> columns;
        for (std::size_t h = 0; h < shapes_.heads.size(); ++h) {
            if (shapes_.column_of[h] == columns.size()) columns.emplace_back(shapes_.heads[h]);
        }
        auto counted = count_values(columns);
        if (!counted) return counted;
        std::uint64_t repeated_bytes = 0;
        for (std::size_t c = 0; c < columns.size(); ++c) {
            Buffer buffer;
            const auto id = static_cast<std::uint32_t>(SectionId::kColumnFirst) + c;
            auto content = sections_.read(static_cast<SectionId>(id), &buffer);
            if (!content) return std::move(content).error();
            if (!columns[c].read(*content, std::move(buffer), sections_.may_have_dictionaries())) {
                return corrupt_batch("column of values " + std::to_string(c));
            }
            // One row may hold them all.
            repeated_bytes += columns[c].repeated_bytes();
            if (repeated_bytes > kBatchBytesMax) return corrupt_batch("too many details");
        }
        for (std::size_t i = 0; i < batch_.rows.size(); ++i) {
            Row& row = batch_.rows[i];
            row.details_offset = batch_.details.size();
            const std::int64_t start_ns = (row.flags & RowFlag::kHasStart) != 0 ? row.start_ns : 0;
            for (const std::uint32_t c : shapes_.columns_of(shapes_.shapes[shape_of_[i]])) {
                columns[c].next(start_ns, &batch_.details);
            }
            if (batch_.details.size() > kBatchBytesMax) return corrupt_batch("too many details");
            row.details_bytes =
                static_cast<std::uint32_t>(batch_.details.size() - row.details_offset);
        }
        return {};
    }

    // A record takes 8 bytes at least: refuses batches that would grow beyond the limit before
    // anything is allocated for them.
    Result<void> count_values(std::vector<ColumnReader>& columns) const {
        std::vector<std::uint64_t> rows_of(shapes_.shapes.size(), 0);
        for (const std::uint64_t shape : shape_of_) ++rows_of[shape];
        std::uint64_t records = 0;
        for (std::size_t s = 0; s < shapes_.shapes.size(); ++s) {
            records += rows_of[s] * shapes_.shapes[s].head_count;
            if (records > kBatchBytesMax / 8) return corrupt_batch("too many details");
            for (const std::uint32_t c : shapes_.columns_of(shapes_.shapes[s])) {
                columns[c].expect(rows_of[s]);
            }
        }
        return {};
    }

    const SectionReader& sections_;
    Batch batch_;
    ShapeList shapes_;
    std::vector<std::uint64_t> shape_of_;
};

Result<Batch> decode(std::span<const std::byte> bytes) {
    auto sections = SectionReader::open(bytes);
    if (!sections) return std::move(sections).error();
    return BatchDecoder(*sections).decode();
}

}  // namespace spanring::codec
