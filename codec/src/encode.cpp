// Batch -> bytes. The steps follow the sections of docs/format/batch.md.
#include <string>
#include <utility>
#include <vector>

#include "integers.hpp"
#include "row_columns.hpp"
#include "row_order.hpp"
#include "sections.hpp"
#include "shapes.hpp"
#include "spanring/abi/record_layout.h"
#include "spanring/codec/batch.hpp"

namespace spanring::codec {
namespace {

// New numbers for the entries that are used, in their old order; 0 stays 0.
class Renumbering {
public:
    explicit Renumbering(std::size_t count) : number_(count, 0) {}
    void use(std::uint32_t id) noexcept { number_[id] = id != 0 ? 1 : 0; }
    void number() noexcept {
        std::uint32_t next = 1;
        for (std::size_t id = 1; id < number_.size(); ++id) {
            if (number_[id] != 0) number_[id] = next++;
        }
        used_ = next - 1;
    }
    [[nodiscard]] std::uint32_t operator[](std::uint32_t id) const noexcept { return number_[id]; }
    [[nodiscard]] std::uint32_t used() const noexcept { return used_; }
    /// Calls `f(id)` for each used one.
    template <typename F>
    void for_each(F&& f) const {
        for (std::uint32_t id = 1; id < number_.size(); ++id) {
            if (number_[id] != 0) f(id);
        }
    }

private:
    std::vector<std::uint32_t> number_;
    std::uint32_t used_{0};
};

}  // namespace

// What is kept from batch to batch.
struct EncoderMemory {
    RowSorter sorter;
    Scratch<std::uint64_t> spans;
    Scratch<std::uint64_t> parents;
    Scratch<std::uint64_t> starts;
    Scratch<std::uint64_t> durations;
    Scratch<std::uint32_t> shape_of;
    std::vector<ShapeOfRows> shapes;
    TraceIds traces;
    RowColumnWriter columns;
    CompressionMemory compression;
    std::vector<std::uint64_t> lengths;
    Buffer section;
    Buffer records;  ///< of a resource; a column in its other form

    /// A column of many MiB is rare, and an encoder lives as long as the consumer.
    void give_back() noexcept {
        constexpr std::size_t kKeptBytes = 1u << 20;
        keep_at_most(section, kKeptBytes);
        keep_at_most(records, kKeptBytes);
        compression.keep_at_most(kKeptBytes);
    }
};

namespace {

Error invalid(const std::string& what) {
    return Error{ErrorCode::kInvalidArgument, "batch: " + what};
}

// Of one batch; what it needs of memory lasts longer.
class BatchEncoder {
public:
    BatchEncoder(const Batch& batch, const EncodeOptions& options, EncoderMemory& memory)
        : memory_(memory),
          batch_(batch),
          shapes_(batch),
          strings_(batch.string_count()),
          resources_(batch.resource_count()),
          scopes_(batch.scope_count()),
          instances_(batch.instance_count() + 1),
          out_(options, batch.rows.size(), memory.compression),
          small_(options.small) {}

    Result<Buffer> encode() {
        const std::size_t row_count = batch_.rows.size();
        if (row_count > kBatchSpansLimit) return invalid("more than 65,536 rows");
        if (batch_.details.size() > kBatchBytesMax) return invalid("more than 256 MiB of details");
        if (batch_.string_count() > SPANRING_STRINGS_MAX) return invalid("too many strings");
        auto gathered = gather(memory_.sorter.sort(batch_.rows));
        if (!gathered) return std::move(gathered).error();
        auto numbered = renumber();
        if (!numbered) return std::move(numbered).error();

        put_strings();
        put_tables();
        put_shapes();
        put_rows();
        put_columns();
        if (out_.content_bytes() > kBatchBytesMax) return invalid("more than 256 MiB of columns");
        return out_.finish();
    }

private:
    // The rows as columns, in the order in which they are stored.
    Result<void> gather(const RowSorter::Order& order) {
        const std::size_t count = order.rows.size();
        const auto spans = memory_.spans.take(count);
        const auto parents = memory_.parents.take(count);
        const auto starts = memory_.starts.take(count);
        const auto durations = memory_.durations.take(count);
        const auto shape_of = memory_.shape_of.take(count);
        memory_.traces.clear(order.trace_sizes.size());
        std::uint64_t parents_any = 0;
        std::size_t i = 0;
        for (const std::uint32_t size : order.trace_sizes) {
            for (const std::size_t begin = i; i < begin + size; ++i) {
                const Row& row = batch_.rows[order.rows[i]];
                spans[i] = row.span;
                parents[i] = row.parent;
                starts[i] = static_cast<std::uint64_t>(row.start_ns);
                durations[i] = static_cast<std::uint64_t>(row.duration_ns);
                parents_any |= row.parent;
                if (!shapes_.add_known(row, &shape_of[i])) {
                    auto shaped = shapes_.add(row, &shape_of[i]);
                    if (!shaped) {
                        return std::move(shaped).error().in("row " + std::to_string(order.rows[i]));
                    }
                }
                if (i == begin) memory_.traces.add(row, instance_number(row.instance));
            }
        }
        rows_.spans = spans;
        rows_.parents = parents;
        rows_.starts = starts;
        rows_.durations = durations;
        rows_.shape_of = shape_of;
        rows_.trace_sizes = order.trace_sizes;
        rows_.all_roots = parents_any == 0;
        memory_.shapes.clear();
        for (const Shape& shape : shapes_.list().shapes) {
            memory_.shapes.push_back({shape.fields.flags, shape.fields.instance});
        }
        rows_.shapes = memory_.shapes;
        if (memory_.shapes.size() > 1) {
            rows_.by_shape = positions_by_shape(rows_.shape_of, memory_.shapes.size());
        }
        return {};
    }

    /// Of a row whose fields were checked.
    [[nodiscard]] std::uint64_t instance_number(InstanceIndex index) const noexcept {
        return index == 0 ? 0 : batch_.instance(index).id.number();
    }

    Result<void> renumber() {
        for (const Shape& shape : shapes_.list().shapes) {
            strings_.use(shape.fields.name);
            resources_.use(shape.fields.resource);
            scopes_.use(shape.fields.scope);
            instances_.use(shape.fields.instance);
        }
        for (const Head head : shapes_.list().heads) {
            if (head_names_string(head)) strings_.use(id_of(head));
        }
        resources_.number();
        scopes_.number();
        instances_.number();
        scopes_.for_each([&](ScopeId id) {
            strings_.use(batch_.scope(id).first);
            strings_.use(batch_.scope(id).second);
        });
        bool resources_valid = true;
        resources_.for_each([&](ResourceId id) { resources_valid &= use_keys_of(id); });
        if (!resources_valid) return invalid("a resource does not parse");
        strings_.number();
        return {};
    }

    bool use_keys_of(ResourceId id) {
        DetailReader reader(batch_.resource(id));
        for (Detail detail; reader.next(&detail);) {
            if (detail.kind > SPANRING_REC_ATTR_STRING_ARRAY) return false;
            if (detail.id >= batch_.string_count()) return false;
            strings_.use(detail.id);
        }
        return reader.ok();
    }

    [[nodiscard]] Buffer& new_section() {
        memory_.section.clear();
        return memory_.section;
    }

    void put_strings() {
        auto& lengths = memory_.lengths;
        lengths.clear();
        strings_.for_each([&](StringId id) { lengths.push_back(batch_.string(id).size()); });
        Buffer& section = new_section();
        put_varint(section, lengths.size());
        put_integers(section, lengths);
        strings_.for_each([&](StringId id) { put_text(section, batch_.string(id)); });
        out_.add(SectionId::kStrings, section);
    }

    void put_tables() {
        Buffer& section = new_section();
        put_varint(section, instances_.used());
        instances_.for_each([&](InstanceIndex index) {
            const Instance& instance = batch_.instance(index);
            put_fixed(section, instance.id.bytes);
            put_fixed(section, instance.host_key);
            put_fixed(section, instance.span_key);
        });
        put_varint(section, resources_.used());
        resources_.for_each([&](ResourceId id) {
            Buffer& records = memory_.records;
            records.clear();
            DetailWriter writer(records);
            DetailReader reader(batch_.resource(id));
            for (Detail d; reader.next(&d);) {
                writer.raw(d.kind, strings_[d.id], d.low, d.body);
            }
            put_varint(section, records.size());
            put_bytes(section, records);
        });
        put_varint(section, scopes_.used());
        scopes_.for_each([&](ScopeId id) {
            put_varint(section, strings_[batch_.scope(id).first]);
            put_varint(section, strings_[batch_.scope(id).second]);
        });
        out_.add(SectionId::kTables, section);
    }

    void put_shapes() {
        const ShapeList& list = shapes_.list();
        Buffer& section = new_section();
        put_varint(section, list.shapes.size());
        for (const Shape& shape : list.shapes) {
            const ShapeFields& f = shape.fields;
            put_varint(section, strings_[f.name]);
            put_varint(section, f.flags);
            put_varint(section, f.kind);
            put_varint(section, f.status);
            put_varint(section, f.trace_flags);
            put_varint(section, resources_[f.resource]);
            put_varint(section, scopes_[f.scope]);
            put_varint(section, instances_[f.instance]);
            put_varint(section, shape.head_count);
            for (const Head head : list.heads_of(shape)) {
                section.push_back(static_cast<std::byte>(kind_with_target(head)));
                put_varint(section, head_names_string(head) ? strings_[id_of(head)] : id_of(head));
            }
        }
        out_.add(SectionId::kShapes, section);
    }

    void put_rows() {
        const auto add = [&](SectionId id, auto&& put) {
            put(new_section());
            out_.add(id, memory_.section);
        };
        RowColumnWriter& columns = memory_.columns;
        add(SectionId::kTraces,
            [&](Buffer& out) { memory_.traces.put(out, rows_.trace_sizes, rows_.size()); });
        add(SectionId::kShapeOfRow, [&](Buffer& out) { put_plain(out, rows_.shape_of); });
        add(SectionId::kSpans, [&](Buffer& out) { columns.put_spans(out, rows_); });
        add(SectionId::kParents, [&](Buffer& out) { columns.put_parents(out, rows_); });
        add(SectionId::kStarts, [&](Buffer& out) { columns.put_starts(out, rows_); });
        add(SectionId::kDurations, [&](Buffer& out) { columns.put_durations(out, rows_); });
    }

    void put_columns() {
        auto id = static_cast<std::uint32_t>(SectionId::kColumnFirst);
        for (const ColumnWriter& column : shapes_.columns()) {
            const auto section = static_cast<SectionId>(id++);
            column.put(new_section());
            memory_.records.clear();
            if (small_ && column.put_as_dictionary(memory_.records)) {
                out_.add_smaller(section, memory_.section, memory_.records);
            } else {
                out_.add(section, memory_.section);
            }
        }
    }

    EncoderMemory& memory_;
    const Batch& batch_;
    ShapeWriter shapes_;
    Renumbering strings_;
    Renumbering resources_;
    Renumbering scopes_;
    Renumbering instances_;
    StoredRows rows_{};
    SectionWriter out_;
    bool small_;
};

}  // namespace

Encoder::Encoder() : memory_(std::make_unique<EncoderMemory>()) {}
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder& Encoder::operator=(Encoder&&) noexcept = default;
Encoder::~Encoder() = default;

Result<std::vector<std::byte>> Encoder::encode(const Batch& batch, const EncodeOptions& options) {
    auto encoded = BatchEncoder(batch, options, *memory_).encode();
    memory_->give_back();
    return encoded;
}

Result<std::vector<std::byte>> encode(const Batch& batch, const EncodeOptions& options) {
    return Encoder().encode(batch, options);
}

}  // namespace spanring::codec
