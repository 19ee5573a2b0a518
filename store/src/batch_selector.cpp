// A condition asked of a batch: each comparison becomes a set of rows, out of the shapes alone if
// they decide it, else out of the one column that it speaks of.
#include <algorithm>
#include <bit>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "condition_node.hpp"
#include "facts.hpp"
#include "spanring/abi/record_layout.h"
#include "spanring/codec/details.hpp"
#include "trace_set.hpp"

namespace spanring::store {

using codec::ColumnHead;
using codec::Row;
using codec::RowFlag;

class BatchSelector {
public:
    using Node = Matcher::Node;

    explicit BatchSelector(codec::BatchView& batch) : batch_(batch) {}

    Result<RowMask> select(const Node& node) {
        switch (node.condition.kind) {
            case Condition::Kind::kEvery: return all();
            case Condition::Kind::kAnd: return join(node, true);
            case Condition::Kind::kOr: return join(node, false);
            case Condition::Kind::kNot: {
                auto mask = select(*node.children.front());
                if (mask) mask->flip();
                return mask;
            }
            case Condition::Kind::kCompare: return compare(node);
        }
        return none();
    }

private:
    [[nodiscard]] RowMask none() const { return RowMask(batch_.row_count()); }
    [[nodiscard]] RowMask all() const { return RowMask(batch_.row_count(), true); }

    Result<RowMask> join(const Node& node, bool conjunction) {
        RowMask joined(batch_.row_count(), conjunction);
        for (const bool cheap : {true, false}) {
            for (const auto& child : node.children) {
                if (decided_by_shape(*child) != cheap) continue;
                auto mask = select(*child);
                if (!mask) return mask;
                if (conjunction) {
                    joined &= *mask;
                    if (joined.none()) return joined;
                } else {
                    joined |= *mask;
                }
            }
        }
        return joined;
    }

    static bool decided_by_shape(const Node& node) {
        if (node.condition.kind != Condition::Kind::kCompare)
            return std::ranges::all_of(node.children,
                                       [](const auto& child) { return decided_by_shape(*child); });
        switch (node.condition.field.property) {
            case Property::kName:
            case Property::kKind:
            case Property::kStatus:
            case Property::kService:
            case Property::kScopeName:
            case Property::kScopeVersion:
            case Property::kUnfinished: return true;
            case Property::kAttribute: return node.condition.field.scope == Scope::kResource;
            default: return false;
        }
    }

    Result<RowMask> compare(const Node& node) {
        const codec::Batch& tables = batch_.tables();
        const auto text = [&](codec::StringId id) {
            return !tables.string(id).empty() && node.fits_text(tables.string(id));
        };
        switch (node.condition.field.property) {
            case Property::kName:
                return by_shape(
                    [&](const Row& r) { return node.fits_text(tables.string(r.name)); });
            case Property::kKind:
                return by_shape(
                    [&](const Row& r) { return node.fits_number(std::int64_t{r.kind}); });
            case Property::kStatus:
                return by_shape(
                    [&](const Row& r) { return node.fits_number(std::int64_t{r.status}); });
            case Property::kService: {
                const auto services = services_of(tables);
                return by_shape([&](const Row& r) { return node.fits_text(services[r.resource]); });
            }
            case Property::kScopeName:
                return by_shape([&](const Row& r) { return text(tables.scope(r.scope).first); });
            case Property::kScopeVersion:
                return by_shape([&](const Row& r) { return text(tables.scope(r.scope).second); });
            case Property::kUnfinished:
                return by_shape([&](const Row& r) {
                    return node.fits_bool((r.flags & RowFlag::kUnfinished) != 0);
                });
            case Property::kDuration:
                return by_number(node, RowFlag::kHasDuration, codec::Part::kDurations,
                                 &codec::BatchView::durations);
            case Property::kStart:
                return by_number(node, RowFlag::kHasStart, codec::Part::kStarts,
                                 &codec::BatchView::starts);
            case Property::kTraceId: return by_trace(node);
            case Property::kAttribute:
                if (node.condition.field.scope == Scope::kResource) return by_resource(node);
                if (node.condition.field.scope == Scope::kEvent ||
                    node.condition.field.scope == Scope::kLink)
                    return by_span(node, [&](const ColumnHead& head) {
                        return head.target == SPANRING_TARGET_ITEM &&
                               codec::is_attribute(head.kind) &&
                               tables.string(head.id) == node.condition.field.key;
                    });
                return by_attribute(node);
            case Property::kStatusMessage:
                return by_span(
                    node, [](const ColumnHead& head) { return head.kind == SPANRING_REC_STATUS; });
            case Property::kEventName:
                return by_span(node, [&](const ColumnHead& head) {
                    return head.kind == SPANRING_REC_EVENT_AT &&
                           node.fits_text(tables.string(head.id));
                });
            case Property::kSpanId:
            case Property::kParentId: return by_id(node);
            case Property::kTraceDuration:
            case Property::kRootName:
            case Property::kRootService: break;  // Matcher::make refused them
        }
        return none();
    }

    /// Rows of the shapes that `fits` likes.
    template <typename Fits>
    Result<RowMask> by_shape(Fits&& fits) {
        std::vector<std::uint8_t> wanted(batch_.shapes().size());
        for (std::size_t s = 0; s < wanted.size(); ++s) wanted[s] = fits(batch_.shapes()[s]);
        return rows_of(wanted);
    }

    Result<RowMask> rows_of(const std::vector<std::uint8_t>& wanted_shapes) {
        if (std::ranges::all_of(wanted_shapes, std::identity())) return all();
        if (std::ranges::none_of(wanted_shapes, std::identity())) return none();
        if (auto loaded = batch_.load(codec::Part::kShapes); !loaded)
            return std::move(loaded).error();
        RowMask mask = none();
        const auto shape_of = batch_.shape_of_rows();
        for (std::size_t i = 0; i < shape_of.size(); ++i)
            mask.put(i, wanted_shapes[shape_of[i]] != 0);
        return mask;
    }

    Result<RowMask> by_number(const Node& node, std::uint32_t flag, unsigned part,
                              std::span<const std::int64_t> (codec::BatchView::*values)()
                                  const noexcept) {
        auto mask = by_shape([&](const Row& r) { return (r.flags & flag) != 0; });
        if (!mask || mask->none()) return mask;
        if (auto loaded = batch_.load(part); !loaded) return std::move(loaded).error();
        const auto numbers = (batch_.*values)();
        RowMask fitting = none();
        for (std::size_t i = 0; i < numbers.size(); ++i)
            fitting.put(i, node.fits_number(numbers[i]));
        return *mask &= fitting;
    }

    Result<RowMask> by_trace(const Node& node) {
        if (node.condition.op == Operator::kExists) return all();
        if (auto loaded = batch_.load(codec::Part::kTraces); !loaded)
            return std::move(loaded).error();
        RowMask mask = none();
        const auto* wanted = std::get_if<TraceId>(&node.condition.literal);
        if (wanted == nullptr) return mask;
        const auto keys = keys_of(*wanted, host_keys_of(batch_.tables()));
        for (const codec::TraceRows& trace : batch_.traces()) {
            const TraceKey key{trace.high, trace.low, trace.native};
            const bool is = std::ranges::find(keys, key) != keys.end();
            if (is != (node.condition.op == Operator::kEqual)) continue;
            for (std::uint32_t i = 0; i < trace.count; ++i) mask.put(trace.first + i, true);
        }
        return mask;
    }

    Result<RowMask> by_id(const Node& node) {
        const bool parents = node.condition.field.property == Property::kParentId;
        if (auto loaded = batch_.load(codec::Part::kSpans | codec::Part::kParents); !loaded)
            return std::move(loaded).error();
        RowMask mask = none();
        const codec::Batch& tables = batch_.tables();
        for (std::size_t i = 0; i < mask.size(); ++i) {
            Row row = batch_.shapes()[batch_.shape_of_rows()[i]];
            row.span = batch_.spans()[i];
            row.parent = batch_.parents()[i];
            if (parents) {
                const SpanId id = tables.parent_id(row);
                mask.put(i, id.valid() && node.fits(id));
            } else {
                mask.put(i, node.fits(tables.span_id(row)));
            }
        }
        return mask;
    }

    Result<RowMask> by_resource(const Node& node) {
        const auto fits = resources_that_fit(node);
        return by_shape([&](const Row& r) { return fits[r.resource]; });
    }

    [[nodiscard]] std::vector<bool> resources_that_fit(const Node& node) const {
        const codec::Batch& tables = batch_.tables();
        std::vector<bool> fits(tables.resource_count());
        for (std::size_t i = 0; i < fits.size(); ++i) {
            codec::DetailReader reader(tables.resource(static_cast<codec::ResourceId>(i)));
            for (codec::Detail detail; reader.next(&detail);) {
                if (tables.string(detail.id) != node.condition.field.key) continue;
                const auto value = codec::attribute_value(detail);
                fits[i] = value && node.fits(*value);
            }
        }
        return fits;
    }

    /// An attribute of the span, or else of its resource.
    Result<RowMask> by_attribute(const Node& node) {
        const auto decides = columns_of_attribute(batch_, node.condition.field.key);
        std::vector<std::uint32_t> columns;
        for (const std::uint32_t c : decides)
            if (c != kNoColumn && std::ranges::find(columns, c) == columns.end())
                columns.push_back(c);
        RowMask mask = none();
        if (node.condition.field.scope == Scope::kAny) {
            const auto fits = resources_that_fit(node);
            std::vector<std::uint8_t> wanted(decides.size());
            for (std::size_t s = 0; s < wanted.size(); ++s)
                wanted[s] = decides[s] == kNoColumn && fits[batch_.shapes()[s].resource];
            auto rows = rows_of(wanted);
            if (!rows) return rows;
            mask = std::move(*rows);
        }
        for (const std::uint32_t c : columns) {
            auto column = batch_.column(c);
            if (!column) return std::move(column).error();
            const auto fits = values_that_fit(node, *column);
            const auto rows = column->rows();
            const auto shape_of = batch_.shape_of_rows();
            for (std::size_t v = 0; v < fits.size(); ++v) {
                // The last value of the row counts.
                if (fits[v] == 0 || decides[shape_of[rows[v]]] != c) continue;
                if (v + 1 == fits.size() || rows[v + 1] != rows[v]) mask.put(rows[v], true);
            }
        }
        return mask;
    }

    static std::vector<std::uint8_t> values_that_fit(const Node& node,
                                                     const codec::ColumnView& column) {
        std::vector<std::uint8_t> fits(column.size());
        const auto fill = [&](auto&& of) {
            for (std::size_t i = 0; i < fits.size(); ++i) fits[i] = of(i);
        };
        switch (column.head().kind) {
            case SPANRING_REC_ATTR_BOOL:
                fill([&](std::size_t i) { return node.fits_bool((column.word(i) & 1) != 0); });
                break;
            case SPANRING_REC_ATTR_INT:
                fill([&](std::size_t i) {
                    return node.fits_number(static_cast<std::int64_t>(column.word(i)));
                });
                break;
            case SPANRING_REC_ATTR_DOUBLE:
                fill([&](std::size_t i) {
                    return node.fits_number(std::bit_cast<double>(column.word(i)));
                });
                break;
            default: {
                const auto of_text = [&](std::string_view text) {
                    if (column.head().kind == SPANRING_REC_ATTR_STRING) return node.fits_text(text);
                    codec::Detail detail;
                    detail.kind = column.head().kind;
                    detail.low = static_cast<std::uint32_t>(text.size());
                    detail.body = std::as_bytes(std::span(text));
                    const auto value = codec::attribute_value(detail);
                    return value && node.fits(*value);
                };
                if (column.entry_count() == 0) {
                    fill([&](std::size_t i) { return of_text(column.text(i)); });
                    break;
                }
                std::vector<std::uint8_t> entries(column.entry_count());
                for (std::size_t e = 0; e < entries.size(); ++e)
                    entries[e] = of_text(column.entry(e));
                fill([&](std::size_t i) { return entries[column.entry_of(i)]; });
            }
        }
        return fits;
    }

    /// What is found by looking at whole spans: of the shapes that hold such a detail.
    template <typename Wanted>
    Result<RowMask> by_span(const Node& node, Wanted&& wanted) {
        std::vector<std::uint8_t> shapes(batch_.shapes().size());
        for (std::size_t s = 0; s < shapes.size(); ++s)
            shapes[s] = std::ranges::any_of(batch_.columns_of(s), [&](std::uint32_t c) {
                return wanted(batch_.column_head(c));
            });
        const auto candidates = rows_of(shapes);
        if (!candidates || candidates->none()) return candidates;
        const auto numbers = candidates->numbers();
        const auto rows = batch_.rows(numbers);
        if (!rows) return rows.error();
        RowMask mask = none();
        for (std::size_t n = 0; n < numbers.size(); ++n) {
            const auto span = rows->span(n);
            if (!span) return span.error();
            mask.put(numbers[n], node.matches(*span));
        }
        return mask;
    }

    codec::BatchView& batch_;
};

Result<RowMask> Matcher::select(codec::BatchView& batch) const {
    return BatchSelector(batch).select(*root_);
}

}  // namespace spanring::store
