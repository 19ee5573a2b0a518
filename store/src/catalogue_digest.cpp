// Digests in the catalogue: how they are written and read.
#include <fcntl.h>

#include <string>
#include <utility>

#include "catalogue_reader.hpp"
#include "catalogue_writer.hpp"
#include "recovery.hpp"
#include "wire.hpp"

namespace spanring::store {
namespace {

using Values = std::vector<std::pair<std::string, std::uint64_t>>;

std::vector<std::byte> encode_values(const Values& values) {
    std::vector<std::byte> bytes;
    WireWriter out(bytes);
    for (const auto& [value, times] : values) {
        out.block(std::as_bytes(std::span(value)));
        out.varint(times);
    }
    return bytes;
}

Values decode_values(std::span<const std::byte> bytes) {
    Values values;
    WireReader in(bytes);
    while (in.ok() && !in.at_end()) {
        const auto text = in.block();
        const std::uint64_t times = in.varint();
        if (in.ok())
            values.emplace_back(
                std::string(reinterpret_cast<const char*>(text.data()), text.size()), times);
    }
    return values;
}

/// What cannot be read, readers warn of.
template <typename Take>
Result<void> each_batch_of(int fd, const std::string& name, Take take) {
    LogScanner scanner(fd, name, 0, Verify::kPositions);
    for (FramePlace place;;) {
        auto found = scanner.next(&place);
        if (!found) return std::move(found).error();
        if (!*found) return {};
        const auto frame = scanner.frame(place);
        if (!frame) continue;
        for (const auto encoded : frame->batches)
            if (auto batch = codec::BatchView::open(encoded); batch) take(*batch);
    }
}

}  // namespace

Result<void> CatalogueWriter::digest_window(std::uint64_t window) {
    if (digested_.count(window) != 0) return {};
    auto fd = folder_.open_window(window, O_RDONLY);
    if (!fd) return {};  // retired meanwhile
    const std::string name = folder_.file(window_name(window));
    DigestBuilder builder({});
    auto looked = each_batch_of(fd->get(), name, [&](auto& batch) { (void)builder.add(batch); });
    if (looked && builder.wants_second_look())
        looked = each_batch_of(fd->get(), name,
                               [&](auto& batch) { (void)builder.look_for_callers(batch); });
    if (!looked) return looked;
    if (auto begun = database_.run("BEGIN IMMEDIATE"); !begun) return begun;
    auto stored = store_digest(window, std::move(builder).take());
    if (stored) stored = database_.run("COMMIT");
    if (!stored) {
        const LogEnd position = position_;
        if (auto undone = undo(position, position); !undone) return undone;
        return stored;
    }
    digested_.insert(window);
    return {};
}

Result<void> CatalogueWriter::store_digest(std::uint64_t window, const Digest& digest) {
    if (auto ran = put_digest_.bind(1, window).run(); !ran) return ran;
    for (const OperationMetric& one : digest.operations) {
        const auto service = service_id(one.service);
        if (!service) return service.error();
        const auto durations = one.durations.encode();
        put_metric_.bind(1, window).bind(2, one.start_ns).bind(3, std::int64_t{*service});
        put_metric_.bind(4, std::string_view(one.operation));
        put_metric_.bind(5, static_cast<std::int64_t>(one.kind)).bind(6, one.spans);
        put_metric_.bind(7, one.errors).bind(8, std::span<const std::byte>(durations));
        if (auto ran = put_metric_.run(); !ran) return ran;
    }
    for (const ServiceEdge& one : digest.edges) {
        const auto caller = service_id(one.caller);
        const auto callee = service_id(one.callee);
        if (!caller || !callee) return caller ? callee.error() : caller.error();
        const auto durations = one.durations.encode();
        put_edge_.bind(1, window).bind(2, one.start_ns).bind(3, std::int64_t{*caller});
        put_edge_.bind(4, std::int64_t{*callee}).bind(5, one.calls).bind(6, one.errors);
        put_edge_.bind(7, std::span<const std::byte>(durations));
        if (auto ran = put_edge_.run(); !ran) return ran;
    }
    for (const AttributeSummary& one : digest.attributes) {
        const auto top = encode_values(one.values);
        put_values_.bind(1, window).bind(2, std::string_view(one.key)).bind(3, one.spans);
        put_values_.bind(4, std::span<const std::byte>(top));
        if (auto ran = put_values_.run(); !ran) return ran;
    }
    return {};
}

Result<std::set<std::uint64_t>> CatalogueReader::digested() {
    std::set<std::uint64_t> windows;
    auto read = each_row(database_, "SELECT window FROM digests",
                         [&](Statement& row) { windows.insert(row.unsigned_integer(0)); });
    if (!read) return std::move(read).error();
    return windows;
}

Result<Digest> CatalogueReader::digest(const DigestRange& range) {
    Digest found;
    const std::int64_t from = step_of(range.from_ns);
    auto read = each_row(
        database_,
        "SELECT s.name, m.name, m.kind, m.start_ns, m.spans, m.errors, m.durations FROM metrics m"
        " JOIN services s ON s.id = m.service WHERE m.start_ns >= ? AND m.start_ns < ?",
        [&](Statement& row) -> Result<void> {
            auto durations = DurationCounts::decode(row.bytes(6));
            if (!durations) return std::move(durations).error();
            found.operations.push_back({row.text(0), row.text(1),
                                        static_cast<codec::SpanKind>(row.integer(2)),
                                        row.integer(3), row.unsigned_integer(4),
                                        row.unsigned_integer(5), std::move(*durations)});
            return {};
        },
        from, range.until_ns);
    if (!read) return std::move(read).error();
    read = each_row(
        database_,
        "SELECT a.name, b.name, e.start_ns, e.calls, e.errors, e.durations FROM edges e"
        " JOIN services a ON a.id = e.caller JOIN services b ON b.id = e.callee"
        " WHERE e.start_ns >= ? AND e.start_ns < ?",
        [&](Statement& row) -> Result<void> {
            auto durations = DurationCounts::decode(row.bytes(5));
            if (!durations) return std::move(durations).error();
            found.edges.push_back({row.text(0), row.text(1), row.integer(2),
                                   row.unsigned_integer(3), row.unsigned_integer(4),
                                   std::move(*durations)});
            return {};
        },
        from, range.until_ns);
    if (!read) return std::move(read).error();
    read = each_row(database_, "SELECT key, spans, top FROM attribute_values", [&](Statement& row) {
        found.attributes.push_back(
            {row.text(0), row.unsigned_integer(1), decode_values(row.bytes(2))});
    });
    if (!read) return std::move(read).error();
    return found;
}

Result<std::vector<DelayStep>> CatalogueReader::delays(const DigestRange& range) {
    std::vector<DelayStep> steps;
    auto read = each_row(
        database_,
        "SELECT start_ns, sum(frames), sum(spans), sum(delay_count), sum(delay_sum_ns),"
        " max(delay_max_ns), sum(lost_spans), sum(lost_ends), sum(lost_details) FROM delays"
        " WHERE start_ns >= ? AND start_ns < ? GROUP BY start_ns ORDER BY start_ns",
        [&](Statement& row) {
            steps.push_back({row.integer(0), row.unsigned_integer(1), row.unsigned_integer(2),
                             row.unsigned_integer(3), row.unsigned_integer(4),
                             row.unsigned_integer(5), row.unsigned_integer(6),
                             row.unsigned_integer(7), row.unsigned_integer(8)});
        },
        step_of(range.from_ns), range.until_ns);
    if (!read) return std::move(read).error();
    return steps;
}

}  // namespace spanring::store
