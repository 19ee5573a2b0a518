// What a run of frames adds up to: positions, stream states, losses, open spans, deferred
// operations. A snapshot frame starts it anew. Recovery folds the newest windows; a reader folds
// only the open spans. Threads: one owner.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "log_scanner.hpp"
#include "open_spans.hpp"
#include "spanring/store/database.hpp"

namespace spanring::store {

class StateFold {
public:
    enum class What : std::uint8_t { kEverything, kOpenSpans };
    explicit StateFold(What what) : what_(what) {}

    /// Takes in the frame that the scanner has just found. Batches are read only if a span that is
    /// open can have its end there. Errors: kIo. A part that cannot be read is left out and
    /// noted in warnings().
    [[nodiscard]] Result<void> apply(LogScanner& scanner, const FramePlace& place);

    [[nodiscard]] const OpenSpans& open_spans() const noexcept { return open_; }
    [[nodiscard]] std::vector<std::string> take_warnings() { return std::move(warnings_); }
    /// Moves the state out. Of instances that have ended it holds the ids alone.
    [[nodiscard]] RecoveredState take();

private:
    struct InstanceFold {
        std::uint32_t pid{0};
        std::string process_name;
        std::map<std::uint32_t, PagePosition> pages;
        std::map<std::uint32_t, StreamState> streams;
        std::map<std::uint32_t, StreamLosses> losses;
    };
    void apply_instance(InstanceDelta&& delta);
    [[nodiscard]] Result<void> remove_finished(LogScanner& scanner, const FramePlace& place);
    void warn(const LogScanner& scanner, const FramePlace& place, const Error& error);

    What what_;
    std::map<InstanceId, InstanceFold> instances_;
    std::set<InstanceId> ended_;
    OpenSpans open_;
    std::vector<std::byte> deferred_;
    std::vector<std::string> warnings_;
};

}  // namespace spanring::store
