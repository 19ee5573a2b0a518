// The background thread that follows the log: writes the catalogue in groups and retires windows.
// It reads the log like everybody else, so it cannot fall out of step with it, and a commit never
// waits for it. Facts of new frames come along and spare it the decoding. Threads: committed() from
// the committing thread, the others from any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "folder.hpp"
#include "spanring/base/background.hpp"
#include "spanring/base/result.hpp"
#include "spanring/store/frame.hpp"

namespace spanring::store {

class CatalogueWriter;

/// How far the log is committed.
struct LogEnd {
    std::uint64_t window{0};
    std::uint64_t offset{0};
    std::uint64_t number{0};  ///< of the last frame
    bool compacted{false};    ///< the offset is one of the compacted file of the window
};

class Indexer {
public:
    /// Both are called on the thread, at its start and when a window began: before and after that
    /// window's predecessors are in the catalogue.
    struct Events {
        std::function<void()> new_window;
        std::function<void(std::uint64_t window)> indexed_below;
    };
    /// `end`: what recovery found.
    Indexer(const Folder& folder, LogEnd end, Events events, Background background);
    ~Indexer();
    Indexer(const Indexer&) = delete;
    Indexer& operator=(const Indexer&) = delete;

    /// The log now reaches to `end`, with a frame of these facts (none: not known). Cheap: wakes
    /// the thread only out of idleness.
    void committed(LogEnd end, BatchFacts facts);
    /// Some windows were compacted: their places in the catalogue have changed. Cheap, as above.
    void windows_replaced();
    /// For Background::kCaller: a turn, if the thread would make one.
    void do_chore();
    /// Returns when everything committed before the call is in the catalogue. Errors: what stopped
    /// the catalogue from taking it; the thread tries again with the next commit. kTimeout: it was
    /// not done within `time_max`.
    [[nodiscard]] Result<void> wait_for_all(std::optional<std::chrono::milliseconds> time_max);

private:
    void run();
    [[nodiscard]] bool has_work() const noexcept {
        return replaced_ || asked_ > answered_ || indexed_ < end_.number;
    }
    [[nodiscard]] BatchFacts facts_of_frame(std::uint64_t number);
    [[nodiscard]] std::optional<Error> index_until(const LogEnd& end, bool replaced);
    void turn(std::unique_lock<std::mutex>& lock);

    const Folder& folder_;
    const Events events_;
    const LogEnd start_;                          ///< what recovery found
    bool checked_{false};                         ///< the catalogue against that
    std::unique_ptr<CatalogueWriter> catalogue_;  ///< touched by the thread alone
    std::mutex mutex_;
    std::condition_variable wake_;  ///< the thread waits here
    std::condition_variable done_;  ///< wait_for_all waits here
    LogEnd end_;
    std::map<std::uint64_t, BatchFacts> facts_;  ///< by frame, of those that are not indexed
    std::uint64_t facts_spans_{0};
    std::uint64_t asked_{0};        ///< calls of wait_for_all
    std::uint64_t answered_{0};     ///< of those, how many had a whole turn since
    std::uint64_t indexed_{0};      ///< frame number that the catalogue reaches
    std::uint64_t window_seen_{0};  ///< of the last turn
    std::optional<Error> error_;    ///< of the last turn
    bool replaced_{true};           ///< windows may have been compacted since they were indexed
    bool idle_{false};
    bool stop_{false};
    std::thread thread_;
};

}  // namespace spanring::store
