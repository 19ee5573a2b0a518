// The catalogue writer's rows: from what a turn has gathered to SQL.
#include <algorithm>
#include <limits>
#include <utility>

#include "catalogue_writer.hpp"
#include "digest_builder.hpp"
#include "trace_filter.hpp"

namespace spanring::store {

Result<void> CatalogueWriter::add_frame(LogScanner& scanner, const FramePlace& place,
                                        Extent& extent, Turn& turn) {
    turn.log_bytes += place.bytes();
    auto frame = scanner.frame(place);
    if (!frame && frame.error().code == ErrorCode::kIo) return std::move(frame).error();
    MergedRange range{place.header.number, place.header.number};
    if (frame) {
        range = frame->meta.range(place.header);
        // A batch or positions that cannot be read count nothing; readers warn of them.
        if (auto deltas = decode_instances(frame->meta.instances); deltas) {
            for (const InstanceDelta& delta : *deltas) extent.tracepoints += delta.tracepoints;
            turn.losses.apply(*deltas);
        }
        const auto known = facts_(place.header.number);
        if (known.size() == frame->batches.size() && !known.empty()) {
            for (const auto& of_batch : known) {
                extent.facts.add(*of_batch);
                add_delay(place.header, *of_batch, turn);
            }
        } else {
            for (const auto encoded : frame->batches) {
                auto batch = codec::decode(encoded);
                if (!batch) continue;
                const auto of_batch = facts_of(*batch);
                extent.facts.add(*of_batch);
                add_delay(place.header, *of_batch, turn);
            }
        }
    }
    const auto& header = place.header;
    if (!is_merged(header)) ++turn.delays[step_of(header.committed_ns)].frames;
    if (extent.frames == 0) {
        extent.first_number = range.first;
        extent.committed_ns_min = extent.committed_ns_max = header.committed_ns;
    }
    extent.committed_ns_min = std::min(extent.committed_ns_min, header.committed_ns);
    extent.committed_ns_max = std::max(extent.committed_ns_max, header.committed_ns);
    extent.last_number = range.last;
    extent.bytes = place.offset + place.bytes() - extent.offset;
    ++extent.frames;
    return {};
}

Result<void> CatalogueWriter::store(std::uint64_t window, Extent& extent, const Turn& turn) {
    if (extent.frames == 0) return {};
    Facts& facts = extent.facts;
    std::vector<std::uint32_t> services;
    for (const std::string& name : facts.services) {
        auto id = service_id(name);
        if (!id) return std::move(id).error();
        services.push_back(*id);
    }
    std::sort(services.begin(), services.end());
    const auto filter = make_filter(std::move(facts.traces));
    constexpr auto kNoMin = std::numeric_limits<std::int64_t>::max();
    constexpr auto kNoMax = std::numeric_limits<std::int64_t>::min();
    insert_extent_.bind(1, window).bind(2, extent.offset).bind(3, extent.bytes);
    insert_extent_.bind(4, extent.first_number).bind(5, extent.last_number);
    insert_extent_.bind(6, extent.frames).bind(7, facts.spans).bind(8, extent.tracepoints);
    insert_extent_.bind(9, extent.committed_ns_min).bind(10, extent.committed_ns_max);
    insert_extent_.bind(11, facts.any_start ? facts.start_ns_min : kNoMin);
    insert_extent_.bind(12, facts.any_start ? facts.start_ns_max : kNoMax);
    insert_extent_.bind(13, std::int64_t{turn.compacted});
    insert_extent_.bind(14, std::as_bytes(std::span(services)));
    insert_extent_.bind(15, std::span<const std::byte>(filter));
    if (auto ran = insert_extent_.run(); !ran) return ran;
    windows_[window] = turn.compacted;
    if (turn.extents_alone) {
        extent = Extent{};
        return {};
    }
    if (auto stored = store_operations(window, facts); !stored) return stored;
    extent = Extent{};
    return {};
}

Result<void> CatalogueWriter::store_operations(std::uint64_t window, const Facts& facts) {
    for (const auto& [key, counts] : facts.operations) {
        auto id = service_id(key.service);
        if (!id) return std::move(id).error();
        add_operation_.bind(1, window)
            .bind(2, std::int64_t{*id})
            .bind(3, std::string_view(key.name));
        add_operation_.bind(4, static_cast<std::int64_t>(key.kind));
        add_operation_.bind(5, counts.spans).bind(6, counts.errors);
        if (auto ran = add_operation_.run(); !ran) return ran;
    }
    for (const std::string& key : facts.attribute_keys) {
        if (!known_keys_.insert(key).second) continue;
        if (auto ran = add_key_.bind(1, window).bind(2, std::string_view(key)).run(); !ran)
            return ran;
    }
    for (const Key128& key : facts.host_keys) {
        if (!known_host_keys_.insert(key).second) continue;
        if (auto ran = add_host_key_.bind(1, std::as_bytes(std::span(key))).run(); !ran) return ran;
    }
    return {};
}

Result<void> CatalogueWriter::store_losses(std::uint64_t window, Turn& turn) {
    for (const auto& [id, totals] : turn.losses.instances) {
        const auto instance = std::as_bytes(std::span(id.bytes));
        put_instance_.bind(1, instance).bind(2, window).bind(3, std::int64_t{totals.pid});
        put_instance_.bind(4, std::string_view(totals.process_name));
        put_instance_.bind(5, std::int64_t{totals.ended});
        if (auto ran = put_instance_.run(); !ran) return ran;
        for (const auto& [stream, counts] : totals.streams) {
            put_losses_.bind(1, instance).bind(2, std::int64_t{stream}).bind(3, window);
            put_losses_.bind(4, counts.spans).bind(5, counts.ends).bind(6, counts.details);
            if (auto ran = put_losses_.run(); !ran) return ran;
            count_losses(losses_[id][stream], counts, turn);
        }
    }
    return {};
}

/// What came since, to the step that the turn has come to.
void CatalogueWriter::count_losses(StreamTotals& known, const StreamTotals& now, Turn& turn) {
    const auto more = [](std::uint64_t before, std::uint64_t after) {
        return after > before ? after - before : 0;
    };
    if (!turn.delays.empty()) {
        DelayStep& step = turn.delays.rbegin()->second;
        step.lost_spans += more(known.spans, now.spans);
        step.lost_ends += more(known.ends, now.ends);
        step.lost_details += more(known.details, now.details);
    }
    known = now;
}

// What is imported ended long before, or by another clock.
void CatalogueWriter::add_delay(const spanring_frame_header& header, const Facts& facts,
                                Turn& turn) {
    constexpr std::int64_t kDelayMax = 3'600'000'000'000;
    if (is_merged(header)) return;
    DelayStep& step = turn.delays[step_of(header.committed_ns)];
    step.spans += facts.spans;
    if (facts.ends == 0 || facts.end_ns_min < header.committed_ns - kDelayMax) return;
    const auto sum = Facts::Sum{header.committed_ns} * Facts::Sum{facts.ends} - facts.end_ns_sum;
    if (sum < 0) return;
    step.delay_count += facts.ends;
    step.delay_sum_ns += static_cast<std::uint64_t>(sum);
    step.delay_max_ns = std::max(
        step.delay_max_ns, static_cast<std::uint64_t>(header.committed_ns - facts.end_ns_min));
}

Result<void> CatalogueWriter::store_delays(std::uint64_t window, Turn& turn) {
    for (const auto& [start, step] : turn.delays) {
        add_delay_.bind(1, window).bind(2, start).bind(3, step.frames).bind(4, step.spans);
        add_delay_.bind(5, step.delay_count).bind(6, step.delay_sum_ns);
        add_delay_.bind(7, step.delay_max_ns).bind(8, step.lost_spans);
        add_delay_.bind(9, step.lost_ends).bind(10, step.lost_details);
        if (auto ran = add_delay_.run(); !ran) return ran;
    }
    turn.delays.clear();
    return {};
}

Result<void> CatalogueWriter::store_position() {
    return put_position_.bind(1, position_.window)
        .bind(2, position_.offset)
        .bind(3, position_.number)
        .bind(4, std::int64_t{position_.compacted})
        .run();
}

Result<std::uint32_t> CatalogueWriter::service_id(const std::string& name) {
    const auto found = services_.find(name);
    if (found != services_.end()) return found->second;
    // Ids are never reused, so the next is one above all.
    std::uint32_t id = 1;
    for (const auto& [other, other_id] : services_) id = std::max(id, other_id + 1);
    if (auto ran = insert_service_.bind(1, std::int64_t{id}).bind(2, std::string_view(name)).run();
        !ran)
        return std::move(ran).error();
    services_.emplace(name, id);
    return id;
}

Result<void> CatalogueWriter::forget_windows(const std::set<std::uint64_t>& existing) {
    for (auto window = windows_.begin(); window != windows_.end();) {
        if (existing.count(window->first) != 0) {
            ++window;
            continue;
        }
        for (const char* table : {"extents", "operations", "attribute_keys", "losses", "instances",
                                  "digests", "metrics", "edges", "attribute_values", "delays"}) {
            const std::string sql = std::string("DELETE FROM ") + table +
                                    " WHERE window = " + std::to_string(window->first);
            if (auto ran = database_.run(sql.c_str()); !ran) return ran;
        }
        digested_.erase(window->first);
        window = windows_.erase(window);
    }
    return {};
}

}  // namespace spanring::store
