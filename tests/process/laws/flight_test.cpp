// R = G x D: tracepoints in flight, counted by another process in the shared memory, against rate
// times delay, taken from the database. Neither side knows the other's numbers.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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

/// G and D out of the database alone: tracepoints of its frames over the time that they span, and
/// commit minus timestamp.
Flow measure_flow(store::Reader& reader, std::uint64_t first_frame) {
    std::int64_t first_ns = 0;
    std::int64_t last_ns = 0;
    double tracepoints = 0;
    double delay_ns_sum = 0;
    double spans = 0;
    const auto visited =
        reader.visit_frames_after(first_frame, [&](const store::CommittedFrame& frame) {
            if (first_ns == 0) {
                first_ns = frame.committed_ns;
                return true;  // what it holds came before the interval
            }
            last_ns = frame.committed_ns;
            tracepoints += static_cast<double>(frame.tracepoints);
            for (const auto& batch : frame.batches) {
                for (const auto& row : batch.rows) {
                    delay_ns_sum +=
                        static_cast<double>(frame.committed_ns - row.start_ns - row.duration_ns);
                    spans += 1;
                }
            }
            return true;
        });
    EXPECT_TRUE(visited.ok());
    return {tracepoints / (static_cast<double>(last_ns - first_ns) * 1e-9),
            delay_ns_sum / spans * 1e-9};
}

/// What one round of looks found.
struct Round {
    Flow flow;
    double in_flight{0};  ///< mean of what was counted in the shared memory
    [[nodiscard]] double expected() const {
        return flow.tracepoints_per_second * flow.delay_seconds;
    }
    [[nodiscard]] double ratio() const { return in_flight / expected(); }
};

/// Counts what is in flight at 200 random moments, and asks the database about the same time.
Round look(const shm::SegmentReader& segment, store::Reader& reader, std::mt19937& random) {
    constexpr int kLooks = 200;
    EXPECT_TRUE(reader.refresh().ok());
    const std::uint64_t first_frame = reader.newest_frame();
    std::uniform_int_distribution<int> pause_us(1000, 20000);
    double sum = 0;
    for (int i = 0; i < kLooks; ++i) {
        std::this_thread::sleep_for(std::chrono::microseconds(pause_us(random)));
        const auto pending = segment.count_pending();
        EXPECT_TRUE(pending.ok());
        if (pending.ok()) sum += static_cast<double>(pending->tracepoints);
    }
    EXPECT_TRUE(reader.refresh().ok());
    return {measure_flow(reader, first_frame), sum / kLooks};
}

std::unique_ptr<store::Reader> wait_for_first_span(const std::string& database) {
    for (int i = 0; i < 300; ++i) {
        std::this_thread::sleep_for(100ms);
        auto opened = store::Reader::open(database);
        if (opened.ok() && opened.value()->newest_frame() > 5) return std::move(opened).value();
    }
    return nullptr;
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
    const auto reader = wait_for_first_span(database);
    ASSERT_NE(reader, nullptr) << "no span became queryable";

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
        round = look(*segment, *reader, random);
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
