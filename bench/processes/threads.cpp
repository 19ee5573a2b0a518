// How much shared memory the threads of one process take.
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

#include "consumer_beside.hpp"
#include "rings.hpp"
#include "scenarios.hpp"
#include "spanring/spanring.hpp"
#include "stored_spans.hpp"

namespace spanring::bench {
namespace {

using namespace std::chrono_literals;
using Time = std::chrono::steady_clock::time_point;

/// Of which a thread touches a fifth: ten thousand of them are to fit into any machine.
constexpr std::size_t kStackBytes = 64 << 10;

class Crowd {
public:
    explicit Crowd(const ThreadsOptions& options)
        : options_(options), interval_(static_cast<std::int64_t>(options.every_ms * 1e6)) {
        pthread_attr_init(&attributes_);
        pthread_attr_setstacksize(&attributes_, kStackBytes);
    }
    Crowd(const Crowd&) = delete;
    Crowd& operator=(const Crowd&) = delete;
    ~Crowd() { pthread_attr_destroy(&attributes_); }

    /// Starts all; each emits at once.
    void start() {
        const Time began = std::chrono::steady_clock::now();
        while (members_.size() < options_.threads) {
            if (options_.per_second > 0) {
                std::this_thread::sleep_until(
                    began + std::chrono::duration_cast<std::chrono::nanoseconds>(
                                std::chrono::duration<double>(static_cast<double>(members_.size()) /
                                                              options_.per_second)));
            }
            pthread_t member{};
            const int failed = pthread_create(&member, &attributes_, &Crowd::enter, this);
            if (failed != 0) {
                const std::size_t count = members_.size();
                leave();
                give_up("SKIPPED: this system allows no more than " + std::to_string(count) +
                        " threads: " + strerror(failed));
            }
            members_.push_back(member);
        }
        // acquire: pairs with the release in live: each has emitted.
        while (alive_.load(std::memory_order_acquire) < options_.threads) {
            std::this_thread::sleep_for(1ms);
        }
    }
    void leave() {
        {
            const std::lock_guard guard(lock_);
            over_ = true;
        }
        changed_.notify_all();
        for (const pthread_t member : members_) pthread_join(member, nullptr);
        members_.clear();
    }
    [[nodiscard]] std::uint64_t emitted() const {
        // relaxed: behind the threads' end.
        return emitted_.load(std::memory_order_relaxed);
    }

private:
    static void* enter(void* self) {
        static_cast<Crowd*>(self)->live();
        return nullptr;
    }
    void live() {
        std::uint64_t emitted = burst();
        // release: pairs with the acquire in start.
        alive_.fetch_add(1, std::memory_order_release);
        Time next = std::chrono::steady_clock::now() + interval_;
        while (!over_before(next)) {
            emitted += burst();
            next = std::max(next + interval_, std::chrono::steady_clock::now());
        }
        // relaxed: read behind the join.
        emitted_.fetch_add(emitted, std::memory_order_relaxed);
    }
    [[nodiscard]] unsigned burst() const noexcept {
        for (unsigned i = 0; i < options_.spans; ++i) {
            SPANRING_SPAN("work");
        }
        return options_.spans;
    }
    /// Waits until then; true: it is all over.
    bool over_before(Time when) {
        std::unique_lock guard(lock_);
        return changed_.wait_until(guard, when, [this] { return over_; });
    }

    ThreadsOptions options_;
    std::chrono::nanoseconds interval_;
    pthread_attr_t attributes_{};
    std::vector<pthread_t> members_;
    std::atomic<std::uint64_t> alive_{0};
    std::atomic<std::uint64_t> emitted_{0};
    std::mutex lock_;
    std::condition_variable changed_;
    bool over_{false};
};

std::uint64_t allocated_bytes(const Status& now) {
    struct stat file {};
    if (stat((now.directory + "/" + now.segment).c_str(), &file) != 0) give_up("no segment");
    return static_cast<std::uint64_t>(file.st_blocks) * 512;
}

std::uint64_t declared_bytes(const Status& now) {
    const auto rings = must(tools::look_at_rings(now.directory, tools::Pending::kSkip));
    for (const auto& producer : rings.producers) {
        if (producer.file_name == now.segment) return producer.ring_bytes;
    }
    give_up("the segment is not among the rings");
}

}  // namespace

void threads(const ThreadsOptions& options) {
    OwnConsumer consumer = consumer_beside();
    must(configure({.policy = Policy::kDrop, .policy_set = true}));
    Crowd crowd(options);
    crowd.start();
    std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
    if (!flush(30s)) give_up("nothing is recorded: " + status().reason);
    const Status now = status();
    const std::uint64_t allocated = allocated_bytes(now);
    const std::uint64_t declared = declared_bytes(now);
    crowd.leave();
    if (!flush(30s)) give_up("the consumer did not keep up");
    must(consumer.stop());
    const auto lost = losses();
    std::printf(
        "{\"threads\": %u, \"segment_bytes\": %llu, \"ring_bytes\": %llu, \"emitted\": %llu, "
        "\"stored\": %llu, \"lost\": %llu}\n",
        options.threads, static_cast<unsigned long long>(allocated),
        static_cast<unsigned long long>(declared), static_cast<unsigned long long>(crowd.emitted()),
        static_cast<unsigned long long>(must(tools::bench::count_spans(consumer.database(), true))),
        static_cast<unsigned long long>(lost.total()));
}

}  // namespace spanring::bench
