#include "state_fold.hpp"

namespace spanring::store {

void StateFold::warn(const LogScanner& scanner, const FramePlace& place, const Error& error) {
    warnings_.push_back(scanner.name() + ": frame at " + std::to_string(place.offset) + ": " +
                        error.message);
}

Result<void> StateFold::apply(LogScanner& scanner, const FramePlace& place) {
    // It has no state of the drain: what it tells of losses is for readers.
    if (is_merged(place.header)) return {};
    if ((place.header.flags & SPANRING_FRAME_SNAPSHOT) != 0) {
        instances_.clear();
        ended_.clear();
        open_.clear();
    }
    // Ends first: what is in this frame's open_spans is open after it.
    if (auto removed = remove_finished(scanner, place); !removed) return removed;
    auto meta = scanner.meta(place);
    if (!meta) return std::move(meta).error();
    auto instances = decode_instances(meta->instances);
    if (!instances) {
        warn(scanner, place, instances.error());
    } else {
        for (InstanceDelta& delta : *instances) apply_instance(std::move(delta));
    }
    if (what_ == What::kEverything) deferred_.assign(meta->deferred.begin(), meta->deferred.end());
    for (const auto encoded : meta->open_spans) {
        auto changes = codec::decode(encoded);
        auto applied = changes ? open_.apply(*changes) : Result<void>(changes.error());
        if (!applied) warn(scanner, place, applied.error());
    }
    return {};
}

Result<void> StateFold::remove_finished(LogScanner& scanner, const FramePlace& place) {
    const auto& header = place.header;
    if (open_.empty() || header.data_bytes == 0) return {};
    if (header.spans != 0 && !open_.may_end_in(header.start_ns_min, header.start_ns_max)) return {};
    auto frame = scanner.frame(place);
    if (!frame) {
        if (frame.error().code == ErrorCode::kIo) return std::move(frame).error();
        warn(scanner, place, frame.error());
        return {};
    }
    for (const auto encoded : frame->batches) {
        auto batch = codec::decode(encoded);
        if (batch) {
            open_.remove_finished(*batch);
        } else {
            warn(scanner, place, batch.error());
        }
    }
    return {};
}

void StateFold::apply_instance(InstanceDelta&& delta) {
    if (delta.ended) {
        instances_.erase(delta.id);
        open_.remove_instance(delta.id);
        if (what_ == What::kEverything) ended_.insert(delta.id);
        return;
    }
    if (what_ == What::kOpenSpans) return;
    ended_.erase(delta.id);
    InstanceFold& fold = instances_[delta.id];
    if (delta.pid != 0) fold.pid = delta.pid;
    if (!delta.process_name.empty()) fold.process_name = std::move(delta.process_name);
    for (const std::uint32_t page : delta.pages_released) fold.pages.erase(page);
    for (const PagePosition& page : delta.pages) fold.pages[page.page] = page;
    for (StreamState& stream : delta.streams) fold.streams[stream.stream] = std::move(stream);
    for (const StreamLosses& losses : delta.losses) fold.losses[losses.stream] = losses;
}

RecoveredState StateFold::take() {
    RecoveredState state;
    for (auto& [id, fold] : instances_) {
        InstanceDelta delta;
        delta.id = id;
        delta.pid = fold.pid;
        delta.process_name = std::move(fold.process_name);
        for (const auto& [number, page] : fold.pages) delta.pages.push_back(page);
        for (auto& [number, stream] : fold.streams) delta.streams.push_back(std::move(stream));
        for (const auto& [number, losses] : fold.losses) delta.losses.push_back(losses);
        state.instances.push_back(std::move(delta));
    }
    state.ended.assign(ended_.begin(), ended_.end());
    state.open_spans = open_.take();
    state.deferred = std::move(deferred_);
    return state;
}

}  // namespace spanring::store
