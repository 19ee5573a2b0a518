// The process's segment: made at the first enabled tracepoint, after fork, and when it was revoked.
#include <cstdio>
#include <cstring>
#include <new>

#include "process.hpp"
#include "spanring/base/os.hpp"
#include "spanring/shm/clock.hpp"
#include "spanring/shm/doorbell.hpp"

namespace spanring::detail {
namespace {

/// A blocked tracepoint's patience if nobody says otherwise.
constexpr std::uint64_t kBlockNsDefault = 100'000'000;

std::uint64_t pick(std::uint64_t ours, std::uint64_t theirs, std::uint64_t standard) noexcept {
    return ours != 0 ? ours : theirs != 0 ? theirs : standard;
}

constexpr std::uint64_t at_most(std::uint64_t value, std::uint64_t limit) noexcept {
    return value < limit ? value : limit;
}

shm::SegmentOptions options_of(const Process& process, const shm::ControlPage& control) {
    const Configuration& ours = process.settings->configuration;
    const shm::ControlSettings theirs = control.settings();
    shm::SegmentOptions options;
    options.ring_bytes_max = at_most(
        pick(ours.ring_bytes_max, theirs.ring_bytes_max, shm::kRingBytesMax), shm::kRingBytesLimit);
    options.ring_bytes_initial =
        at_most(pick(ours.ring_bytes_initial, 0, shm::kRingBytesInitial), options.ring_bytes_max);
    options.page_bytes = static_cast<std::uint32_t>(
        pick(ours.page_bytes, theirs.page_bytes, SPANRING_PAGE_BYTES_DEFAULT));
    if (theirs.directory_bytes_max != 0) options.directory_bytes_max = theirs.directory_bytes_max;
    const bool may_block = (theirs.policy_allowed_mask & (1U << SPANRING_POLICY_BLOCK)) != 0;
    options.policy =
        ours.policy == Policy::kBlock && may_block ? SPANRING_POLICY_BLOCK : SPANRING_POLICY_DROP;
    options.clock_kind = shm::clock_kind();
    options.membarrier = shm::register_membarrier();
    options.process_name = process.settings->process_name;
    options.host_key = control.host_key();
    options.boot_id = control.boot_id();
    return options;
}

std::uint64_t block_ns_of(const Process& process, const shm::ControlSettings& theirs) noexcept {
    const std::uint64_t wanted =
        pick(process.settings->configuration.block_timeout_ns, 0, kBlockNsDefault);
    return theirs.block_ns_max != 0 ? at_most(wanted, theirs.block_ns_max) : wanted;
}

/// Losses of a segment that nobody writes any more, so that losses() goes on counting.
void keep_losses(Process& process) noexcept {
    const shm::SegmentWriter& segment = process.wiped->segment;
    if (!segment.is_open()) return;
    add_losses(segment, process.unslotted);
}

bool fail(Process& process, const Error& error) noexcept {
    process.failed = true;
    process.retry_at_ns = coarse_ns() + kRetryNs;
    set_reason(process, ("no segment: " + error.message).c_str());
    return false;
}

/// Opens the directory anew if the application has closed our descriptor or another file has its
/// number.
bool check_directory(Process& process) noexcept {
    auto opened =
        shm::RingDirectory::open(process.directory->path(), shm::RingDirectory::Create::kYes);
    if (!opened) return fail(process, opened.error());
    // The old one is abandoned, not closed: its number may be the application's by now.
    auto* fresh = new (std::nothrow) shm::RingDirectory(std::move(*opened));
    if (fresh == nullptr) return false;
    process.settings->abandoned.push_back(process.directory);
    process.directory = fresh;
    return true;
}

/// Takes a segment back that nobody has written in: the next attempt makes another.
void discard(const Process& process, shm::SegmentWriter& segment) noexcept {
    segment.close();
    os::unlink_at(process.directory->fd(), segment.file_name());
    segment.destroy();
}

/// Publishes the new instance.
void install(Process& process) noexcept {
    const shm::SegmentWriter& segment = process.wiped->segment;
    const std::uint32_t epoch = process.epoch + 1;
    process.instances[epoch % kInstancesKept] = {epoch, segment.instance(), segment.host_key(),
                                                 segment.span_key()};
    process.mapping = segment.mapping();
    std::snprintf(process.segment_name, sizeof process.segment_name, "%s", segment.file_name());
    // release: pairs with the acquire in Tracepoint: the segment is there.
    __atomic_store_n(&process.epoch, epoch, __ATOMIC_RELEASE);
    process.failed = false;
    if (process.reason[0] != '\0') set_reason(process, "");
}

}  // namespace

void add_losses(const shm::SegmentWriter& segment, Losses& sum) noexcept {
    const auto* header = reinterpret_cast<const spanring_segment_header*>(segment.mapping().data);
    // acquire: pairs with the release in acquire_slot().
    const std::uint32_t slots = __atomic_load_n(&header->slots_declared, __ATOMIC_ACQUIRE);
    for (std::uint32_t s = 0; s < slots; ++s) {
        const spanring_thread_slot* slot = segment.slot(s);
        for (unsigned i = 0; i < kLossReasons; ++i) {
            // relaxed, all: counters for people.
            sum.spans[i] += __atomic_load_n(&slot->lost_spans[i], __ATOMIC_RELAXED);
            sum.ends[i] += __atomic_load_n(&slot->lost_ends[i], __ATOMIC_RELAXED);
            sum.details[i] += __atomic_load_n(&slot->lost_details[i], __ATOMIC_RELAXED);
        }
    }
}

bool ensure_segment(Process& process) noexcept {
    shm::SegmentWriter& segment = process.wiped->segment;
    if (segment.is_open() && !segment.revoked()) return true;
    if (process.failed && coarse_ns() < process.retry_at_ns) return false;
    const shm::SegmentMapping older = process.mapping;
    const bool forked = !segment.is_open() && older.data != nullptr;
    if ((forked || segment.is_open()) && !check_directory(process)) return false;
    auto control = process.directory->map_control(Mapping::Access::kRead);
    if (!control) return fail(process, control.error());
    shm::SegmentOptions options = options_of(process, *control);
    const std::vector<std::byte> resource = encode_resource(*process.settings);
    options.resource = resource;
    if (forked) {
        if (const KnownInstance* parent = instance_of(process, process.segment_epoch)) {
            options.parent = parent->id;
        }
    }
    shm::SegmentWriter fresh{};
    if (auto made = fresh.open(*process.directory, options); !made) {
        return fail(process, made.error());
    }
    // Call sites keep their numbers: the table starts as a copy of the older one.
    if (older.data != nullptr && !fresh.copy_strings_from(older)) {
        discard(process, fresh);
        return fail(process, {ErrorCode::kNoSpace, "the string table could not be copied"});
    }
    process.policy = options.policy;
    process.block_ns = block_ns_of(process, control->settings());
    // Not before: a failed attempt is made again, and the older segment's losses count once.
    keep_losses(process);
    std::memcpy(static_cast<void*>(&segment), &fresh, sizeof fresh);
    install(process);
    process.segment_epoch = process.epoch;
    if (forked) {
        // The parent's: this child has one thread, which is here. A revoked one stays mapped, other
        // threads may be writing in it.
        shm::SegmentMapping parents = older;
        shm::release_mapping(parents);
    }
    return true;
}

}  // namespace spanring::detail
