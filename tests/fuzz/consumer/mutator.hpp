// A thread that changes a segment's file under its reader, as a script says that the input wrote.
//
// What it does, in which order and at which step of the reader is the input's; only how far it gets
// within a step is not. A word that goes to and fro two hundred times shows most of what can be
// seen of it whenever the input is run.
#pragma once

#include <fcntl.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>
#include <vector>

#include "require.hpp"

namespace spanring::fuzz {

struct Change {
    enum class Kind : std::uint8_t { kWords, kCut, kHole, kMaxValue = kHole };
    int step{0};  ///< of the reader, during which it is made
    Kind kind{Kind::kWords};
    std::uint32_t times{0};  ///< to and fro
    std::uint32_t at{0};     ///< offset in the file; of a cut: the length that is left
    std::uint32_t bytes{0};  ///< of a hole
    std::uint64_t one{0}, other{0};
};

/// Returns a script of some changes, by their steps.
inline std::vector<Change> some_changes(FuzzedDataProvider& in, std::uint32_t file_bytes) {
    std::vector<Change> changes(in.ConsumeIntegralInRange<std::size_t>(1, 6));
    for (Change& change : changes) {
        change.step = in.ConsumeIntegralInRange<int>(0, 40);
        change.times = in.ConsumeIntegralInRange<std::uint32_t>(1, 200);
        change.at = in.ConsumeIntegralInRange<std::uint32_t>(0, file_bytes / 8 - 1) * 8;
        // Once a file is cut, hardly anything else can be seen of it.
        change.kind = in.ConsumeIntegralInRange<int>(0, 5) == 0 ? in.ConsumeEnum<Change::Kind>()
                                                                : Change::Kind::kWords;
        change.bytes = in.ConsumeIntegralInRange<std::uint32_t>(1, 8192);
        change.one = in.ConsumeIntegral<std::uint64_t>();
        change.other = in.ConsumeBool() ? in.ConsumeIntegral<std::uint64_t>()
                                        : change.one ^ (1ull << (change.one % 64));
    }
    std::stable_sort(changes.begin(), changes.end(),
                     [](const Change& a, const Change& b) { return a.step < b.step; });
    return changes;
}

/// One for the life of the fuzzer. begin(), step() and end() are the reader's thread's.
class Mutator {
public:
    Mutator(int fd, std::uint32_t file_bytes) : fd_(fd), file_bytes_(file_bytes) {}
    ~Mutator() {
        stop_ = true;
        ask();
        thread_.join();
    }
    Mutator(const Mutator&) = delete;
    Mutator& operator=(const Mutator&) = delete;

    void begin(std::vector<Change> changes) {
        changes_ = std::move(changes);
        next_ = changes_.begin();
    }
    /// Returns when the changes of this step, if there are any, have begun.
    void step(int number) {
        if (next_ == changes_.end() || next_->step > number) return;
        end();
        from_ = next_;
        while (next_ != changes_.end() && next_->step <= number) ++next_;
        to_ = next_;
        ask();
        while (begun_ != asked_) std::this_thread::yield();
    }
    /// Returns when nothing is changed any more.
    void end() const {
        while (done_ != asked_) std::this_thread::yield();
    }

private:
    void ask() {
        ++asked_;
        asked_.notify_one();
    }
    void work() {
        for (std::uint32_t seen = 0;;) {
            asked_.wait(seen);
            seen = asked_;
            if (stop_) return;
            begun_ = seen;
            for (auto change = from_; change != to_; ++change) make(*change);
            done_ = seen;
        }
    }
    // A write beyond the end makes the file longer again, as a producer may.
    void make(const Change& change) const {
        for (std::uint32_t i = 0; i < change.times; ++i) {
            switch (change.kind) {
                case Change::Kind::kWords:
                    put(change.at, change.one);
                    put(change.at, change.other);
                    break;
                case Change::Kind::kCut:
                    require(::ftruncate(fd_, change.at) == 0, "a file is cut");
                    if (change.one % 2 == 0) {
                        require(::ftruncate(fd_, file_bytes_) == 0, "a file is made longer");
                    }
                    break;
                case Change::Kind::kHole:
                    require(::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, change.at,
                                        change.bytes) == 0,
                            "a hole is punched");
                    break;
            }
        }
    }
    void put(std::uint32_t at, std::uint64_t word) const {
        require(::pwrite(fd_, &word, sizeof word, at) == sizeof word, "a word is written");
    }

    const int fd_;
    const std::uint32_t file_bytes_;
    std::vector<Change> changes_;
    std::vector<Change>::const_iterator next_{changes_.begin()};
    // What is asked for; the mutator's from ask() until done_ says so.
    std::vector<Change>::const_iterator from_, to_;
    std::atomic<bool> stop_{false};
    std::atomic<std::uint32_t> asked_{0}, begun_{0}, done_{0};
    std::thread thread_{[this] { work(); }};  // last: it uses all of them
};

}  // namespace spanring::fuzz
