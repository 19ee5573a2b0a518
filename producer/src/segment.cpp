// The process's segment: made at the first enabled tracepoint, after fork, and when it was revoked.
#include <cstdio>
#include <new>

#include "process.hpp"
#include "spanring/base/os.hpp"
#include "spanring/shm/clock.hpp"
#include "spanring/shm/doorbell.hpp"
#include "tracepoint.hpp"

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
    const bool block_allowed = (theirs.policy_allowed_mask & (1U << SPANRING_POLICY_BLOCK)) != 0;
    options.policy = ours.policy == Policy::kBlock && block_allowed ? SPANRING_POLICY_BLOCK
                                                                    : SPANRING_POLICY_DROP;
    options.clock_kind = shm::clock_kind();
    options.membarrier = shm::register_membarrier();
    options.rings = process.rings;
    options.process_name = process.settings->process_name;
    options.host_key = control.host_key();
    options.boot_id = control.boot_id();
    return options;
}

std::uint64_t block_ns_within(const Process& process, const shm::ControlSettings& theirs) noexcept {
    const std::uint64_t wanted =
        pick(process.settings->configuration.block_timeout_ns, 0, kBlockNsDefault);
    return theirs.block_ns_max != 0 ? at_most(wanted, theirs.block_ns_max) : wanted;
}

/// Opens the directory anew if the application has closed our descriptor, or the directory is gone.
bool check_directory(Process& process) noexcept {
    shm::RingDirectory* older = process.directory;
    if (older->is_usable()) return true;
    auto opened = shm::RingDirectory::open(older->path(), shm::RingDirectory::Create::kYes);
    if (!opened) return fail(process, std::move(opened).error());
    auto* fresh = new (std::nothrow) shm::RingDirectory(std::move(*opened));
    if (fresh == nullptr) return false;
    process.directory = fresh;
    older->close_if_ours();
    delete older;
    return true;
}

HeldSegment* free_segment(Process& process) noexcept {
    for (HeldSegment& segment : process.wiped->segments) {
        if (segment.holders == 0) return &segment;
    }
    return nullptr;
}

/// Takes a segment back that nobody has written in: the next attempt makes another.
void discard(const Process& process, shm::SegmentWriter& segment) noexcept {
    os::unlink_at(process.directory->fd(), segment.file_name());
    segment.destroy();
}

template <typename Function>
void for_each_slot(const shm::SegmentWriter& segment, Function&& function) noexcept {
    const auto* header = reinterpret_cast<const spanring_segment_header*>(segment.mapping().data);
    // acquire: pairs with the release in acquire_slot().
    const std::uint32_t slots = __atomic_load_n(&header->slots_declared, __ATOMIC_ACQUIRE);
    for (std::uint32_t s = 0; s < slots; ++s) function(*segment.slot(s));
}

/// Leads the threads of a replaced segment out of it at their next tracepoint: on the hot path they
/// look at nothing but their slot.
void send_away(const shm::SegmentWriter& segment) noexcept {
    for_each_slot(segment, [](spanring_thread_slot& slot) {
        // relaxed: a hint; who misses it writes one page more into a segment that is still held.
        __atomic_store_n(&slot.revoked, 1U, __ATOMIC_RELAXED);
    });
}

/// Publishes the new instance.
void install(Process& process, HeldSegment& fresh) noexcept {
    const shm::SegmentWriter& segment = fresh.writer;
    const std::uint32_t epoch = process.epoch + 1;
    process.instances[epoch % kInstancesKept] = {epoch, segment.instance(), segment.host_key(),
                                                 segment.span_key()};
    const auto index = static_cast<std::uint32_t>(&fresh - process.wiped->segments);
    process.mappings[index] = segment.mapping();
    process.newest = index;
    std::snprintf(process.segment_name, sizeof process.segment_name, "%s", segment.file_name());
    HeldSegment* older = process.wiped->current;
    fresh.holders = 1;
    process.wiped->current = &fresh;
    process.segment_epoch = epoch;
    // release: pairs with the acquires in settle_instance() and replaced(): the segment is there.
    __atomic_store_n(&process.epoch, epoch, __ATOMIC_RELEASE);
    process.failed = process.starved = false;
    if (process.reason[0] != '\0') set_reason(process, "");
    if (older == nullptr) return;
    send_away(older->writer);
    settle_orphans_locked(process);  // they owe the older one's reader nothing any more
    let_go(process, older);
}

void add_losses(const shm::SegmentWriter& segment, Losses& sum) noexcept {
    for_each_slot(segment, [&](const spanring_thread_slot& slot) {
        for (unsigned i = 0; i < kLossReasons; ++i) {
            // relaxed, all: counters for people.
            sum.spans[i] += __atomic_load_n(&slot.lost_spans[i], __ATOMIC_RELAXED);
            sum.ends[i] += __atomic_load_n(&slot.lost_ends[i], __ATOMIC_RELAXED);
            sum.details[i] += __atomic_load_n(&slot.lost_details[i], __ATOMIC_RELAXED);
        }
    });
}

/// Losses of a segment that nobody writes any more, so that losses() goes on counting.
void keep_losses(Process& process, const shm::SegmentWriter& segment) noexcept {
    Losses lost{};
    add_losses(segment, lost);
    for (unsigned i = 0; i < kLossReasons; ++i) {
        count_loss(process.unslotted.spans[i], lost.spans[i]);
        count_loss(process.unslotted.ends[i], lost.ends[i]);
        count_loss(process.unslotted.details[i], lost.details[i]);
    }
}

}  // namespace

void let_go(Process& process, HeldSegment* segment) noexcept {
    if (--segment->holders != 0) return;
    keep_losses(process, segment->writer);
    process.mappings[segment - process.wiped->segments] = {};
    segment->writer.destroy();
}

Losses losses_of(Process& process) noexcept {
    const OwnerGuard guard(process.wiped->lock);
    Losses sum = process.unslotted;
    if (!guard) return sum;  // in a signal handler: what can be had
    for (const HeldSegment& segment : process.wiped->segments) {
        if (segment.holders != 0) add_losses(segment.writer, sum);
    }
    return sum;
}

SegmentHold::SegmentHold(Process& process) noexcept : process_(process) {
    const OwnerGuard guard(process.wiped->lock);
    if (!guard || process.wiped->current == nullptr) return;
    segment_ = process.wiped->current;
    ++segment_->holders;
}

SegmentHold::~SegmentHold() {
    if (segment_ == nullptr) return;
    const OwnerGuard guard(process_.wiped->lock);
    if (guard) let_go(process_, segment_);
}

bool ensure_segment(Process& process) noexcept {
    const HeldSegment* current = process.wiped->current;
    if (current != nullptr && !current->writer.revoked()) return true;
    if (process.failed && coarse_ns() < process.retry_at_ns) return false;
    shm::SegmentMapping& older = process.mappings[process.newest];
    const bool forked = current == nullptr && older.data != nullptr;
    if (!check_directory(process)) return false;
    HeldSegment* fresh = free_segment(process);
    if (fresh == nullptr) {
        return fail(process, {ErrorCode::kNoSpace,
                              "no segment: threads have yet to leave the replaced ones"});
    }
    auto control = process.directory->map_control(Mapping::Access::kRead);
    if (!control) return fail(process, std::move(control).error().in("no segment"));
    shm::SegmentOptions options = options_of(process, *control);
    const std::vector<std::byte> resource = encode_resource(*process.settings);
    options.resource = resource;
    if (forked) {
        if (const KnownInstance* parent = instance_of(process, process.segment_epoch)) {
            options.parent = parent->id;
        }
    }
    if (auto made = fresh->writer.open(*process.directory, options); !made) {
        return fail(process, std::move(made).error().in("no segment"));
    }
    // Call sites keep their numbers: the table starts as a copy of the older one.
    if (older.data != nullptr && !fresh->writer.copy_strings_from(older)) {
        discard(process, fresh->writer);
        return fail(process,
                    {ErrorCode::kNoSpace, "no segment: the string table could not be copied"});
    }
    // relaxed, both: see may_block().
    __atomic_store_n(&process.policy, options.policy, __ATOMIC_RELAXED);
    __atomic_store_n(&process.block_ns, block_ns_within(process, control->settings()),
                     __ATOMIC_RELAXED);
    if (forked) shm::release_mapping(older);  // the parent's: this child has one thread, here
    install(process, *fresh);
    return true;
}

}  // namespace spanring::detail
