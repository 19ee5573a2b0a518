// The process as a producer: configuration, flush, losses, and why nothing is recorded.
//
// Threads: any, except `configure`, which belongs before the first tracepoint. Nothing here throws.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spanring/base/result.hpp"

namespace spanring {

/// What happens to a tracepoint when the ring is full.
enum class Policy : std::uint8_t {
    kDrop = 0,  ///< it is dropped and counted (default)
    kBlock = 1  ///< the caller waits up to the block timeout; needs the consumer's permission
};

/// Zero or empty: from the environment, else from the consumer's control page, else the default.
/// What is set here wins.
struct Configuration {
    std::string service_name{};  ///< else OTEL_SERVICE_NAME, else "unknown_service:<executable>"
    /// Added to OTEL_RESOURCE_ATTRIBUTES and what the library knows (process.pid, host.name, ...).
    std::vector<std::pair<std::string, std::string>> resource{};
    std::string directory{};  ///< else SPANRING_DIR, else the default of the machine
    Policy policy{Policy::kDrop};
    bool policy_set{false};               ///< true: `policy` wins over SPANRING_POLICY
    std::uint64_t block_timeout_ns{0};    ///< per wait; else SPANRING_BLOCK_MS, else 100 ms
    std::uint64_t ring_bytes_max{0};      ///< else SPANRING_RING_BYTES, else 13 MiB
    std::uint64_t ring_bytes_initial{0};  ///< else 1 MiB, at most ring_bytes_max
    std::uint32_t page_bytes{0};          ///< else 8 KiB; a power of two from 1 to 64 KiB
    bool record_unsampled{false};         ///< record below remote parents that are not sampled
};

/// Sets up this process's tracing. Errors: kBusy after the first tracepoint, kInvalidArgument.
[[nodiscard]] Result<void> configure(Configuration configuration);

/// Waits until everything that this process has recorded so far can be queried.
/// Returns false if that did not happen within the time, or if nothing is recorded at all.
[[nodiscard]] bool flush_ns(std::uint64_t timeout_ns) noexcept;

/// As flush_ns, for any std::chrono::duration (this header does not pull in <chrono>).
template <typename Duration>
[[nodiscard]] bool flush(Duration timeout) noexcept {
    using Period = typename Duration::period;
    const auto ns = static_cast<long double>(timeout.count()) * 1e9L * Period::num / Period::den;
    return flush_ns(ns <= 0 ? 0 : static_cast<std::uint64_t>(ns));
}

/// Why something was lost: index into the counters of Losses.
enum class LossReason : std::uint8_t { kRingFull = 0, kSignal, kTooLarge, kNoMemory };
inline constexpr unsigned kLossReasons = 4;

/// What this process has lost since its start, by kind and reason.
struct Losses {
    std::uint64_t spans[kLossReasons]{};    ///< begins: the span is missing
    std::uint64_t ends[kLossReasons]{};     ///< the span is stored without its end
    std::uint64_t details[kLossReasons]{};  ///< attributes, events, links of stored spans
    [[nodiscard]] std::uint64_t total() const noexcept {
        std::uint64_t sum = 0;
        for (unsigned i = 0; i < kLossReasons; ++i) sum += spans[i] + ends[i] + details[i];
        return sum;
    }
};
[[nodiscard]] Losses losses() noexcept;

/// Whether tracepoints are recorded at the moment, and if not, why, in one readable line.
struct Status {
    bool recording{false};
    std::string reason;                 ///< empty while recording
    std::string directory;              ///< of the rings
    std::string segment;                ///< file name in it; empty: none yet
    std::vector<std::string> warnings;  ///< ignored settings, each with its reason
};
[[nodiscard]] Status status();

}  // namespace spanring
