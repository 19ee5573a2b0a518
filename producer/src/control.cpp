// The process's own interface: configure, flush, losses, status.
#include <time.h>

#include <algorithm>
#include <cstdlib>

#include "spanring/process.hpp"
#include "spanring/shm/doorbell.hpp"
#include "tracepoint.hpp"

namespace spanring {
namespace {

/// Between two looks at what is stored: a fifth of the consumer's default turn at first, then an
/// eighth of the time so far. A thousand processes that flush at once, each with 5,000 looks a
/// second, left the consumer no processor to store anything with.
constexpr std::uint64_t kFlushPollNsMin = 200'000;
constexpr std::uint64_t kFlushPollNsMax = 20'000'000;
constexpr std::uint64_t kFlushPollShare = 8;

/// What was published when the flush began, page by page.
class Published {
public:
    explicit Published(const shm::SegmentWriter& segment) noexcept
        : segment_(segment), pages_(segment.pages_declared()) {
        marks_ = static_cast<std::uint64_t*>(std::calloc(pages_ + 1, sizeof(std::uint64_t)));
        if (marks_ == nullptr) return;
        for (std::uint32_t p = 0; p < pages_; ++p) marks_[p] = segment_.published_mark(p);
    }
    Published(const Published&) = delete;
    Published& operator=(const Published&) = delete;
    ~Published() { std::free(marks_); }

    /// Returns whether all of it is stored. Pages once seen stored are not looked at again.
    bool stored() noexcept {
        if (marks_ == nullptr) return false;
        while (next_ < pages_ && segment_.is_stored(next_, marks_[next_])) ++next_;
        return next_ == pages_;
    }

private:
    const shm::SegmentWriter& segment_;
    std::uint32_t pages_;
    std::uint32_t next_{0};
    std::uint64_t* marks_;
};

/// Waits, the longer the longer it has been since `began_ns`.
void wait_a_little(std::uint64_t began_ns) noexcept {
    const std::uint64_t so_far = shm::monotonic_ns() - began_ns;
    const std::uint64_t ns = std::clamp(so_far / kFlushPollShare, kFlushPollNsMin, kFlushPollNsMax);
    const timespec pause{0, static_cast<long>(ns)};
    ::nanosleep(&pause, nullptr);
}

/// Tells the reader what this thread and exited ones still owe it. Returns whether that is all.
bool settle(detail::Process& process) noexcept {
    // To the end: a handler over settle_orphans must not wait for the locks that this thread holds.
    const detail::Tracepoint tracepoint(false);
    if (tracepoint.state() == detail::Tracepoint::State::kSignal) return false;
    const bool settled = !tracepoint.ready() || detail::settle_debts(process, tracepoint.writer());
    return detail::settle_orphans(process) && settled;
}

}  // namespace

Result<void> configure(Configuration configuration) {
    detail::Process* process = detail::process();
    if (process == nullptr) return Error{ErrorCode::kUnavailable, "no memory to trace with"};
    const std::uint32_t bytes = configuration.page_bytes;
    if (bytes != 0 && (bytes < SPANRING_PAGE_BYTES_MIN || bytes > SPANRING_PAGE_BYTES_MAX ||
                       (bytes & (bytes - 1)) != 0)) {
        return Error{ErrorCode::kInvalidArgument,
                     "page_bytes must be a power of two from 1024 to 65536"};
    }
    const detail::OwnerGuard guard(process->wiped->lock);
    // relaxed: see Tracepoint.
    if (!guard || __atomic_load_n(&process->configured, __ATOMIC_RELAXED) != 0) {
        return Error{ErrorCode::kBusy, "configure must come before the first tracepoint"};
    }
    detail::Settings* settings = detail::make_settings(std::move(configuration));
    settings->older = process->settings;
    process->settings = settings;
    process->failed = false;
    return {};
}

bool flush_ns(std::uint64_t timeout_ns) noexcept {
    detail::Process* process = detail::process();
    if (process == nullptr) return false;
    const std::uint64_t began = shm::monotonic_ns();
    const std::uint64_t end_at = began + timeout_ns;
    bool settled = settle(*process);
    const detail::SegmentHold segment(*process);
    if (segment.get() == nullptr) {
        // Nothing was recorded; that is good news only if something would be.
        return process->control != nullptr && detail::enabled(detail::load_flags());
    }
    while (!settled && shm::monotonic_ns() < end_at) {
        shm::ring_if_waiting(process->control->flags, process->doorbell->word);
        wait_a_little(began);
        settled = settle(*process);
    }
    Published published(*segment.get());
    const auto wait_until = [&](auto&& done) {
        while (!done()) {
            if (shm::monotonic_ns() >= end_at) return false;
            shm::ring_if_waiting(process->control->flags, process->doorbell->word);
            wait_a_little(began);
        }
        return true;
    };
    if (!wait_until([&] { return published.stored(); })) return false;
    // What several threads did to one span is held back for a turn or two: it is stored, but a
    // query finds the span as it was before.
    const std::uint64_t turn = segment.get()->turn_stored();
    if (!wait_until([&] { return segment.get()->turn_settled() >= turn; })) return false;
    return settled;
}

Losses losses() noexcept {
    detail::Process* process = detail::process();
    Losses sum{};
    if (process != nullptr && process->wiped->home == 0) return sum;
    if (process != nullptr) sum = detail::losses_of(*process);
    // Lost for sure only if there is something to record for.
    if (process != nullptr && process->control == nullptr) return sum;
    const Losses& early = detail::early_losses();
    for (unsigned i = 0; i < kLossReasons; ++i) {
        sum.spans[i] += early.spans[i];
        sum.ends[i] += early.ends[i];
        sum.details[i] += early.details[i];
    }
    return sum;
}

Status status() {
    Status status;
    detail::Process* process = detail::process();
    if (process == nullptr) {
        status.reason = "no memory to trace with";
        return status;
    }
    { const detail::Tracepoint look(false); }
    const detail::OwnerGuard guard(process->wiped->lock);
    status.warnings = process->settings->warnings;
    if (process->directory != nullptr) status.directory = process->directory->path();
    status.segment = process->segment_name;
    if (process->failed) {
        status.reason = process->reason;
    } else if (process->control == nullptr) {
        status.reason = "tracing has not started";
    } else if (!detail::enabled(detail::load_flags())) {
        status.reason = "no consumer has enabled tracing in " + status.directory +
                        "; start one with: spanring up";
    } else {
        status.recording = true;
    }
    return status;
}

}  // namespace spanring
