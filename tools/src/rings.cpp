#include "rings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "spanring/shm/directory.hpp"
#include "spanring/shm/mapping/segment_reader.hpp"

namespace spanring::tools {
namespace {

Result<void> count_threads(const shm::SegmentReader& reader, ProducerView* view) {
    const auto slots = reader.slots_declared();
    if (!slots) return slots.error();
    for (std::uint32_t stream = 0; stream < *slots; ++stream) {
        const auto slot = reader.slot(stream);
        if (!slot) return slot.error();
        view->threads += slot->state == SPANRING_SLOT_USED ? 1 : 0;
        for (std::size_t reason = 0; reason < SPANRING_LOST_REASONS; ++reason) {
            view->lost.spans += slot->lost_spans[reason];
            view->lost.ends += slot->lost_ends[reason];
            view->lost.details += slot->lost_details[reason];
            view->lost.by_reason[reason] +=
                slot->lost_spans[reason] + slot->lost_ends[reason] + slot->lost_details[reason];
        }
    }
    return {};
}

Result<ProducerView> look_at_segment(const shm::RingDirectory& directory, const std::string& name,
                                     Pending pending) {
    auto reader = shm::SegmentReader::attach(directory, name, shm::SegmentReader::Mode::kReadOnly);
    if (!reader) return std::move(reader).error();
    const shm::SegmentIdentity& identity = reader->identity();
    ProducerView view;
    view.file_name = name;
    view.instance = identity.instance;
    view.pid = identity.pid;
    view.process = identity.process_name;
    view.alive = reader->producer_alive();
    if (auto counted = count_threads(*reader, &view); !counted) return counted.error();
    const auto fill = reader->fill();
    if (!fill) return fill.error();
    view.ring_bytes = fill->declared_bytes;
    view.ring_used_bytes = fill->used_bytes;
    view.ring_bytes_max = fill->max_bytes;
    if (pending == Pending::kCount) {
        const auto count = reader->count_pending();
        if (!count) return count.error();
        view.pending_tracepoints = count->tracepoints;
    }
    return view;
}

}  // namespace

double ProducerView::fill() const noexcept {
    const std::uint64_t whole = std::max(ring_bytes, ring_bytes_max);
    return whole == 0 ? 0 : static_cast<double>(ring_used_bytes) / static_cast<double>(whole);
}

const char* loss_reason_name(std::size_t reason) noexcept {
    switch (reason) {
        case SPANRING_LOST_RING_FULL: return "ring_full";
        case SPANRING_LOST_SIGNAL: return "signal";
        case SPANRING_LOST_TOO_LARGE: return "too_large";
        case SPANRING_LOST_NO_MEMORY: return "no_memory";
        default: return "other";
    }
}

void write_losses(Json& json, const LossCounts& losses) {
    json.open_object()
        .field("spans", losses.spans)
        .field("ends", losses.ends)
        .field("details", losses.details)
        .key("by_reason")
        .open_object();
    for (std::size_t reason = 0; reason < losses.by_reason.size(); ++reason) {
        json.field(loss_reason_name(reason), losses.by_reason[reason]);
    }
    json.close_object().close_object();
}

Result<RingsView> look_at_rings(const std::string& directory, Pending pending) {
    RingsView view;
    view.directory = directory;
    auto opened = shm::RingDirectory::open(directory, shm::RingDirectory::Create::kNo);
    if (!opened) {
        if (opened.error().code == ErrorCode::kNotFound) return view;
        return std::move(opened).error();
    }
    view.exists = true;
    const auto pid = opened->consumer_pid();
    if (pid && *pid != 0) view.consumer_pid = *pid;
    if (pid) view.confinement = confinement_of(*pid);
    // Missing until a consumer or a producer has been here: then nothing is enabled.
    if (const auto control = opened->map_control(Mapping::Access::kRead)) {
        view.enabled = control->enabled();
        view.counts = control->counts();
    }
    const auto names = opened->segments();
    if (!names) return names.error();
    for (const std::string& name : *names) {
        auto producer = look_at_segment(*opened, name, pending);
        if (producer) {
            view.producers.push_back(std::move(*producer));
        } else if (producer.error().code != ErrorCode::kNotFound) {  // drained and gone meanwhile
            view.problems.push_back(producer.error().message);
        }
    }
    if (const auto aside = opened->quarantined()) {
        view.quarantined_files = aside->size();
        for (const auto& file : *aside) view.quarantined_bytes += file.bytes;
    }
    if (auto notices = shm::read_notices(*opened)) {
        view.notices = std::move(*notices);
    } else {
        view.problems.push_back(notices.error().message);
    }
    if (const auto bytes = opened->segment_bytes()) view.segment_bytes = *bytes;
    return view;
}

std::uint64_t lost_total(const RingsView& rings,
                         const std::vector<store::InstanceLosses>& recorded) {
    struct Kinds {
        std::uint64_t spans{0};
        std::uint64_t ends{0};
        std::uint64_t details{0};
    };
    std::map<InstanceId, Kinds> all;
    const auto take = [&all](const InstanceId& id, const auto& from) {
        Kinds& kinds = all[id];
        kinds.spans = std::max<std::uint64_t>(kinds.spans, from.spans);
        kinds.ends = std::max<std::uint64_t>(kinds.ends, from.ends);
        kinds.details = std::max<std::uint64_t>(kinds.details, from.details);
    };
    for (const auto& losses : recorded) take(losses.id, losses);
    for (const auto& producer : rings.producers) take(producer.instance, producer.lost);
    std::uint64_t sum = 0;
    for (const auto& [id, kinds] : all) sum += kinds.spans + kinds.ends + kinds.details;
    return sum;
}

std::string whose(const shm::Notice& notice) {
    std::string who = notice.pid != 0 ? fmt::format("pid {}", notice.pid) : std::string();
    if (!notice.process.empty()) who += (who.empty() ? "" : ", ") + notice.process;
    return fmt::format("{} of uid {}{}", notice.file, notice.uid,
                       who.empty() ? "" : " (" + who + ")");
}

std::uint64_t folder_bytes(const std::string& path) {
    std::uint64_t sum = 0;
    std::error_code failed;
    for (std::filesystem::directory_iterator at(path, failed), end; !failed && at != end;
         at.increment(failed)) {
        std::error_code gone;  // a window may be retired between listing and asking
        const std::uint64_t bytes = at->file_size(gone);
        if (!gone) sum += bytes;
    }
    return sum;
}

std::string hex_of(const Key128& bytes) {
    std::string out;
    for (const std::uint8_t byte : bytes) out += fmt::format("{:02x}", byte);
    return out;
}

}  // namespace spanring::tools
