#include <cstring>

#include "spanring/shm/directory.hpp"
#include "spanring/shm/segment_writer.hpp"

namespace spanring::shm {
namespace {

/// A blocked producer waits at most this long, whatever the control page says: longer looks like a
/// hang to whoever runs the application.
constexpr std::uint64_t kBlockNsLimit = std::uint64_t{60} * 1'000'000'000U;

bool valid_page_bytes(std::uint32_t bytes) {
    return bytes >= SPANRING_PAGE_BYTES_MIN && bytes <= SPANRING_PAGE_BYTES_MAX &&
           (bytes & (bytes - 1)) == 0;
}

template <typename T>
T load_relaxed(const T& word) noexcept {
    // relaxed: the settings are published by the epoch in `flags`, which flags() acquires; counters
    // are for people.
    return RealAtomics::load(word, std::memory_order_relaxed);
}

template <typename T>
void store_relaxed(T& word, T value) noexcept {
    // relaxed: the release of the epoch in set_settings() publishes it; counters are for people.
    RealAtomics::store(word, value, std::memory_order_relaxed);
}

Key128 copy_key(const std::uint8_t (&bytes)[16]) {
    Key128 key;
    std::memcpy(key.data(), bytes, key.size());
    return key;
}

}  // namespace

std::uint32_t ControlPage::flags() const noexcept {
    // acquire: pairs with the release in set_settings() and set_enabled().
    return RealAtomics::load(page()->flags, std::memory_order_acquire);
}

// The keys are written before the file gets its name and never again.
Key128 ControlPage::host_key() const noexcept {
    return copy_key(page()->host_key);
}

Key128 ControlPage::boot_id() const noexcept {
    return copy_key(page()->boot_id);
}

ControlSettings ControlPage::settings() const noexcept {
    (void)flags();  // acquires the epoch
    ControlSettings result;
    const std::uint64_t ring_bytes_max_untrusted = load_relaxed(page()->ring_bytes_max);
    result.ring_bytes_max =
        ring_bytes_max_untrusted > kRingBytesLimit ? kRingBytesLimit : ring_bytes_max_untrusted;
    result.directory_bytes_max = load_relaxed(page()->directory_bytes_max);
    const std::uint32_t page_bytes_untrusted = load_relaxed(page()->page_bytes);
    result.page_bytes = valid_page_bytes(page_bytes_untrusted) ? page_bytes_untrusted : 0;
    constexpr std::uint32_t kPolicies = (1U << SPANRING_POLICY_DROP) |
                                        (1U << SPANRING_POLICY_BLOCK) |
                                        (1U << SPANRING_POLICY_OVERWRITE);
    result.policy_allowed_mask =
        (load_relaxed(page()->policy_allowed_mask) & kPolicies) | (1U << SPANRING_POLICY_DROP);
    const std::uint64_t block_ns_untrusted = load_relaxed(page()->block_ns_max);
    result.block_ns_max = block_ns_untrusted > kBlockNsLimit ? kBlockNsLimit : block_ns_untrusted;
    return result;
}

ConsumerCounts ControlPage::counts() const noexcept {
    return {.spans_closed_early = load_relaxed(page()->spans_closed_early),
            .ends_late = load_relaxed(page()->ends_late),
            .spans_unstorable = load_relaxed(page()->spans_unstorable),
            .segments_quarantined = load_relaxed(page()->segments_quarantined)};
}

void ControlPage::add_counts(const ConsumerCounts& more) noexcept {
    const auto add = [](std::uint64_t& word, std::uint64_t count) {
        // The one consumer of the directory is the only writer.
        if (count != 0) store_relaxed(word, load_relaxed(word) + count);
    };
    add(page()->spans_closed_early, more.spans_closed_early);
    add(page()->ends_late, more.ends_late);
    add(page()->spans_unstorable, more.spans_unstorable);
    add(page()->segments_quarantined, more.segments_quarantined);
}

void ControlPage::set_enabled(bool enabled) noexcept {
    // release, both: pair with the acquire in flags(): the settings come first.
    if (enabled) {
        RealAtomics::fetch_or(page()->flags, SPANRING_FLAG_ENABLED, std::memory_order_release);
    } else {
        RealAtomics::fetch_and(page()->flags, ~SPANRING_FLAG_ENABLED, std::memory_order_release);
    }
}

void ControlPage::set_waiting(bool waiting) noexcept {
    // release, both: as in BasicDoorbell::arm.
    if (waiting) {
        RealAtomics::fetch_or(page()->flags, SPANRING_FLAG_WAITING, std::memory_order_release);
    } else {
        RealAtomics::fetch_and(page()->flags, ~SPANRING_FLAG_WAITING, std::memory_order_release);
    }
}

void ControlPage::set_settings(const ControlSettings& settings) noexcept {
    store_relaxed(page()->ring_bytes_max, settings.ring_bytes_max);
    store_relaxed(page()->directory_bytes_max, settings.directory_bytes_max);
    store_relaxed(page()->page_bytes, settings.page_bytes);
    store_relaxed(page()->policy_allowed_mask, settings.policy_allowed_mask);
    store_relaxed(page()->block_ns_max, settings.block_ns_max);
    // release: pairs with the acquire in flags(). The epoch's overflow leaves the word at the top.
    RealAtomics::fetch_add(page()->flags, 1U << SPANRING_FLAG_EPOCH_SHIFT,
                           std::memory_order_release);
}

// Only the consumer looks, and only at its start: the sequence is for those who died within.
std::optional<ClockLine> ControlPage::clock_line() const noexcept {
    const std::uint64_t sequence = load_relaxed(page()->clock_sequence);
    if (sequence == 0 || sequence % 2 != 0) return std::nullopt;
    return ClockLine{.ticks = load_relaxed(page()->clock_ticks),
                     .mono_ns = load_relaxed(page()->clock_mono_ns),
                     .ns_per_tick = load_relaxed(page()->clock_ns_per_tick),
                     .first_ticks = load_relaxed(page()->clock_first_ticks),
                     .first_mono_ns = load_relaxed(page()->clock_first_mono_ns),
                     .real_offset_ns = load_relaxed(page()->clock_real_offset_ns)};
}

void ControlPage::set_clock_line(const ClockLine& line) noexcept {
    const std::uint64_t sequence = load_relaxed(page()->clock_sequence) | 1;
    store_relaxed(page()->clock_sequence, sequence);
    // release: whoever finds the page after a kill between two stores finds the odd sequence.
    std::atomic_thread_fence(std::memory_order_release);
    store_relaxed(page()->clock_ticks, line.ticks);
    store_relaxed(page()->clock_mono_ns, line.mono_ns);
    store_relaxed(page()->clock_ns_per_tick, line.ns_per_tick);
    store_relaxed(page()->clock_first_ticks, line.first_ticks);
    store_relaxed(page()->clock_first_mono_ns, line.first_mono_ns);
    store_relaxed(page()->clock_real_offset_ns, line.real_offset_ns);
    // release: the line stands before it counts.
    RealAtomics::store(page()->clock_sequence, sequence + 1, std::memory_order_release);
}

}  // namespace spanring::shm
