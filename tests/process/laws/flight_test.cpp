// R = G x D: tracepoints in flight, counted by another process in the shared memory, against rate
// times delay, seen in the database. Neither side knows the other's numbers.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <random>
#include <string>
#include <thread>

#include "spanring/shm/directory.hpp"
#include "spanring/shm/mapping/segment_reader.hpp"
#include "spanring/spanring.hpp"
#include "spanring/store/database.hpp"

namespace spanring {
namespace {

using namespace std::chrono_literals;
using namespace spanring::literals;

/// A folder of its own that is removed with everything in it.
class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string pattern = "/tmp/spanring-laws-XXXXXX";
        path_ = ::mkdtemp(pattern.data());
    }
    ~TemporaryFolder() { std::filesystem::remove_all(path_); }
    [[nodiscard]] std::string in(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

/// A child that is stopped with SIGTERM and waited for, whatever becomes of the test.
class Child {
public:
    explicit Child(pid_t pid) : pid_(pid) {}
    ~Child() { stop(); }
    int stop() {
        if (pid_ <= 0) return -1;
        int status = 0;
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, &status, 0);
        pid_ = 0;
        return status;
    }

private:
    pid_t pid_;
};

pid_t start_consumer(const std::string& rings, const std::string& database) {
    const std::string program = std::string(SPANRING_BIN_DIR) + "/spanringd";
    const pid_t pid = ::fork();
    if (pid == 0) {
        const std::string log = database + ".log";
        ::execl(program.c_str(), "spanringd", "--dir", rings.c_str(), "--db", database.c_str(),
                "--log-file", log.c_str(), nullptr);
        ::_exit(127);
    }
    return pid;
}

/// Spans without duration at a steady pace, until it is killed: begin and end together, so that
/// every tracepoint's delay shows in the span that is stored.
[[noreturn]] void produce_steadily() {
    auto next = std::chrono::steady_clock::now();
    for (;;) {
        for (int i = 0; i < 4; ++i) {
            SPANRING_SPAN("tick");
        }
        next += 100us;
        std::this_thread::sleep_until(next);
    }
}

struct Flow {
    double tracepoints_per_second{0};
    double delay_seconds{0};
};

/// G and D as a user of the database has them: a thread with a reader of its own looks for new
/// frames all the time, and notes when it sees each span.
class Follower {
public:
    explicit Follower(std::unique_ptr<store::Reader> reader)
        : reader_(std::move(reader)), thread_([this] { follow(); }) {}
    ~Follower() {
        if (thread_.joinable()) (void)stop();
    }
    Flow stop() {
        stop_ = true;
        thread_.join();
        return {tracepoints_ / (static_cast<double>(last_ns_ - first_ns_) * 1e-9),
                delay_ns_sum_ / spans_ * 1e-9};
    }

private:
    static std::int64_t now_ns() {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(
                   std::chrono::system_clock::now().time_since_epoch())
            .count();
    }
    void follow() {
        ::prctl(PR_SET_TIMERSLACK, 1UL);  // ns: each look would else come 50 us late
        EXPECT_TRUE(reader_->refresh().ok());
        std::uint64_t last = reader_->newest_frame();
        while (!stop_) {
            std::this_thread::sleep_for(20us);
            EXPECT_TRUE(reader_->refresh().ok());
            if (reader_->newest_frame() == last) continue;
            const std::int64_t seen_ns = now_ns();
            EXPECT_TRUE(reader_
                            ->visit_frames_after(last,
                                                 [&](const store::CommittedFrame& frame) {
                                                     add(frame, seen_ns);
                                                     return true;
                                                 })
                            .ok());
            last = reader_->newest_frame();
        }
    }
    void add(const store::CommittedFrame& frame, std::int64_t seen_ns) {
        if (first_ns_ == 0) {
            first_ns_ = frame.committed_ns;
            return;  // what it holds came before the interval
        }
        last_ns_ = frame.committed_ns;
        tracepoints_ += static_cast<double>(frame.tracepoints);
        for (const auto& batch : frame.batches) {
            for (const auto& row : batch.rows) {
                delay_ns_sum_ += static_cast<double>(seen_ns - row.start_ns - row.duration_ns);
                spans_ += 1;
            }
        }
    }

    std::unique_ptr<store::Reader> reader_;
    std::int64_t first_ns_{0};
    std::int64_t last_ns_{0};
    double tracepoints_{0};
    double delay_ns_sum_{0};
    double spans_{0};
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

/// What one round of looks found.
struct Round {
    Flow flow;
    double in_flight{0};  ///< mean of what was counted in the shared memory
    [[nodiscard]] double expected() const {
        return flow.tracepoints_per_second * flow.delay_seconds;
    }
    [[nodiscard]] double ratio() const { return in_flight / expected(); }
};

/// Counts what is in flight at 200 random moments, while a follower watches the database.
Round look(const shm::SegmentReader& segment, const std::string& database, std::mt19937& random) {
    constexpr int kLooks = 200;
    auto reader = store::Reader::open(database);
    EXPECT_TRUE(reader.ok());
    Follower follower(std::move(reader).value());
    std::uniform_int_distribution<int> pause_us(1000, 20000);
    double sum = 0;
    for (int i = 0; i < kLooks; ++i) {
        std::this_thread::sleep_for(std::chrono::microseconds(pause_us(random)));
        const auto pending = segment.count_pending();
        EXPECT_TRUE(pending.ok());
        if (pending.ok()) sum += static_cast<double>(pending->tracepoints);
    }
    return {follower.stop(), sum / kLooks};
}

bool wait_for_first_span(const std::string& database) {
    for (int i = 0; i < 300; ++i) {
        std::this_thread::sleep_for(100ms);
        auto opened = store::Reader::open(database);
        if (opened.ok() && opened.value()->newest_frame() > 5) return true;
    }
    return false;
}

TEST(Laws, tracepoints_in_flight_are_rate_times_delay) {
    TemporaryFolder folder;
    const std::string rings = folder.in("rings");
    const std::string database = folder.in("db");
    Child consumer(start_consumer(rings, database));
    const pid_t pid = ::fork();
    if (pid == 0) {
        Configuration configuration;
        configuration.directory = rings;
        configuration.service_name = "steady";
        if (!configure(configuration).ok()) ::_exit(1);
        produce_steadily();
    }
    Child producer(pid);
    ASSERT_TRUE(wait_for_first_span(database)) << "no span became queryable";

    auto directory = shm::RingDirectory::open(rings, shm::RingDirectory::Create::kNo);
    ASSERT_TRUE(directory.ok());
    const auto segments = directory->segments();
    ASSERT_TRUE(segments.ok());
    ASSERT_EQ(segments->size(), 1u);
    auto segment = shm::SegmentReader::attach(*directory, segments->front(),
                                              shm::SegmentReader::Mode::kReadOnly);
    ASSERT_TRUE(segment.ok()) << segment.error().message;

    // The median of three rounds: a machine that stalls in one of them proves nothing.
    std::mt19937 random(20261122);
    std::array<Round, 3> rounds;
    for (Round& round : rounds) {
        round = look(*segment, database, random);
        std::printf("G = %.0f tracepoints/s, D = %.3f ms, G x D = %.1f, R = %.1f, ratio %.3f\n",
                    round.flow.tracepoints_per_second, round.flow.delay_seconds * 1e3,
                    round.expected(), round.in_flight, round.ratio());
    }
    std::sort(rounds.begin(), rounds.end(),
              [](const Round& a, const Round& b) { return a.ratio() < b.ratio(); });
    EXPECT_GT(rounds[1].flow.tracepoints_per_second, 10000);
    EXPECT_GT(rounds[1].ratio(), 0.8);
    EXPECT_LT(rounds[1].ratio(), 1.2);
}

}  // namespace
}  // namespace spanring
