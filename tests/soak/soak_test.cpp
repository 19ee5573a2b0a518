// Eight processes of eight threads that trace for as long as one likes, while processes are killed
// and stopped, fork, exec, load and unload, the consumer is killed and stopped, and the disk is
// full for a while. At the end of each round all are quiet, and what is in the database must be
// exactly what was written and not counted as lost; and nothing may have grown.
//
//     SPANRING_SOAK_SECONDS=1800 SPANRING_SEED=7 build/dev/bin/soak
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <sstream>
#include <thread>

#include "account.hpp"
#include "small_disk.hpp"
#include "spanring/base/unique_fd.hpp"
#include "world.hpp"

namespace spanring::soak {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kRound = 8s;
constexpr auto kQuietMax = 60s;
constexpr auto kFull = 2s;
constexpr int kFullEvery = 6;  ///< rounds
constexpr int kFlatSamples = 9;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

/// What a process holds.
struct Held {
    std::uint64_t rss_kib{0};
    std::uint64_t descriptors{0};
};

Held held_by(pid_t pid) {
    const std::string proc = "/proc/" + std::to_string(pid);
    Held held;
    std::ifstream statm(proc + "/statm");
    std::uint64_t pages = 0;
    statm >> pages >> pages;
    held.rss_kib = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
    std::error_code ignored;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(proc + "/fd", ignored)) {
        ++held.descriptors;
    }
    return held;
}

/// Taken at the end of each round, when all is quiet.
struct Sample {
    Held consumer;
    Held witness;  ///< the process that lives through it all
    std::uint64_t ring_kib{0};
    std::uint64_t ring_files{0};
};

class Soak {
public:
    explicit Soak(std::uint64_t seed) : random_(seed), seed_(seed) {
        world_.database = disk_.database();
        const std::string config = disk_.path() + "/spanringd.toml";
        // Some rounds fit, with what is held when the disk is full; what is retired for its size
        // has been settled long before.
        std::ofstream(config) << "store.window_bytes = \"2MiB\"\nstore.bytes_max = \"48MiB\"\n";
        options_ = {"--config", config};
        ledger_path_ = world_.directory + ".ledger";
        std::ofstream(ledger_path_).close();
        fs::resize_file(ledger_path_, sizeof(Ledger));
        const UniqueFd fd(::open(ledger_path_.c_str(), O_RDWR | O_CLOEXEC));
        void* data =
            ::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
        EXPECT_NE(data, MAP_FAILED);
        ledger_ = static_cast<Ledger*>(data);
        account_.emplace(*ledger_);
        // Children of those who are killed come to us.
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    }

    ~Soak() {
        for (const pid_t worker : workers_) {
            if (worker > 0) ::kill(worker, SIGKILL);
        }
        reap();
        ::munmap(ledger_, sizeof(Ledger));
        fs::remove(ledger_path_);
    }

    void run(std::chrono::seconds duration);
    void report() const;
    void check_flat() const;

private:
    void start(unsigned index);
    void round(bool with_kills, bool full);
    void act(bool with_kills);
    void restart_consumer();
    void stop_for(pid_t pid, std::chrono::milliseconds time);
    void be_full();
    bool quieten();
    [[nodiscard]] std::string who_is_not_quiet() const;
    void settle(std::int64_t since_ns);
    [[nodiscard]] std::size_t segments() const { return world_.files(".seg").size(); }
    [[nodiscard]] Sample sample() const;
    void reap() {
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
    }
    std::chrono::milliseconds up_to(int ms) {
        return std::chrono::milliseconds(random_() % static_cast<unsigned>(ms));
    }

    std::minstd_rand random_;
    std::uint64_t seed_;
    SmallDisk disk_;
    consumer::testing::World world_;
    std::vector<std::string> options_;
    std::string ledger_path_;
    Ledger* ledger_{nullptr};
    std::optional<Account> account_;
    std::array<pid_t, kProcesses> workers_{};
    std::uint32_t pauses_{0};
    std::uint64_t starts_{0};
    std::uint64_t kills_{0}, stops_{0}, consumer_kills_{0}, consumer_stops_{0}, fulls_{0};
    std::vector<Sample> samples_;
    std::size_t last_birth_{0};  ///< number of the first sample of the consumer that lives now
};

void Soak::start(unsigned index) {
    const std::string number = std::to_string(index);
    const std::string seed = std::to_string(seed_ * 100'000 + ++starts_);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::setenv("SPANRING_DIR", world_.directory.c_str(), 1);
        ::execl(SOAK_WORKER, SOAK_WORKER, ledger_path_.c_str(), number.c_str(), seed.c_str(),
                nullptr);
        ::_exit(127);
    }
    workers_[index] = pid;
}

void Soak::stop_for(pid_t pid, std::chrono::milliseconds time) {
    ::kill(pid, SIGSTOP);
    std::this_thread::sleep_for(time);
    ::kill(pid, SIGCONT);
}

void Soak::restart_consumer() {
    ++consumer_kills_;
    world_.kill_consumer();
    std::this_thread::sleep_for(up_to(600));
    ASSERT_GT(world_.up(options_), 0) << world_.log_text();
    last_birth_ = samples_.size();
}

void Soak::act(bool with_kills) {
    const unsigned index = static_cast<unsigned>(random_() % kProcesses);
    switch (random_() % 10) {
        case 0: ++consumer_stops_; return stop_for(world_.consumer, up_to(400));
        case 1: return with_kills ? restart_consumer() : void();
        case 2:
        case 3:
        case 4: ++stops_; return stop_for(workers_[index], up_to(300));
        default:
            if (index == 0) return;
            ++kills_;
            ::kill(workers_[index], SIGKILL);
            (void)consumer::testing::World::wait_for(workers_[index]);
            start(index);
    }
}

// What was committed so far is settled; what is written now finds no room, until there is some.
void Soak::be_full() {
    ++fulls_;
    const auto end = Clock::now() + kFull;
    while (Clock::now() < end) {
        disk_.fill();
        std::this_thread::sleep_for(10ms);
    }
    disk_.empty();
}

void Soak::round(bool with_kills, bool full) {
    const auto end = Clock::now() + kRound;
    const std::int64_t since = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::system_clock::now().time_since_epoch())
                                   .count();
    // Times are of a clock of ours that may lie a little beside the system's.
    std::this_thread::sleep_for(20ms);
    if (full && disk_.can_be_full()) disk_.fill();
    ledger_->pause = 0;
    if (full && disk_.can_be_full()) be_full();
    while (Clock::now() < end) {
        std::this_thread::sleep_for(up_to(300));
        act(with_kills);
        reap();
    }
    ASSERT_TRUE(quieten()) << who_is_not_quiet();
    std::this_thread::sleep_for(20ms);
    settle(since);
    samples_.push_back(sample());
}

/// Returns whether all processes have flushed and the rings of the dead are gone.
bool Soak::quieten() {
    ledger_->pause = ++pauses_;
    const auto end = Clock::now() + kQuietMax;
    const auto all_quiet = [&] {
        return std::all_of(std::begin(ledger_->paused), std::end(ledger_->paused),
                           [&](const auto& paused) { return paused == pauses_; }) &&
               segments() == kProcesses;
    };
    while (!all_quiet() && Clock::now() < end) {
        reap();
        std::this_thread::sleep_for(5ms);
    }
    return all_quiet();
}

std::string Soak::who_is_not_quiet() const {
    std::string out;
    for (unsigned i = 0; i < kProcesses; ++i) {
        if (ledger_->paused[i] != pauses_)
            out += "not quiet: " + std::to_string(workers_[i]) + "\n";
    }
    for (const auto& file : world_.files(".seg")) out += file + "\n";
    const std::string log = world_.log_text();
    return out + log.substr(log.size() - std::min<std::size_t>(log.size(), 4000));
}

void Soak::settle(std::int64_t since_ns) {
    for (const auto& problem : account_->settle(world_.database, disk_.held(), since_ns)) {
        ADD_FAILURE() << "round " << samples_.size() << ": " << problem;
    }
    disk_.forget_held();
    EXPECT_EQ(ledger_->failures, 0u) << "of workers";
    if (!::testing::Test::HasFailure()) return;
    std::istringstream log(world_.log_text());
    for (std::string line; std::getline(log, line);) {
        const bool usual = line.find(" info ") != std::string::npos ||
                           line.find(" has lost ") != std::string::npos;
        if (!usual) std::printf("%s\n", line.c_str());
    }
}

Sample Soak::sample() const {
    Sample out{held_by(world_.consumer), held_by(workers_[0]), 0, 0};
    for (const auto& entry : fs::directory_iterator(world_.directory)) {
        struct stat status {};
        if (::stat(entry.path().c_str(), &status) != 0) continue;
        out.ring_kib += static_cast<std::uint64_t>(status.st_blocks) / 2;
        ++out.ring_files;
    }
    return out;
}

void Soak::run(std::chrono::seconds duration) {
    ASSERT_GT(world_.up(options_), 0);
    ledger_->pause = ++pauses_;
    for (unsigned i = 0; i < kProcesses; ++i) start(i);
    const auto begin = Clock::now();
    for (int n = 1; Clock::now() < begin + duration; ++n) {
        // A consumer that is never killed must not grow: so it is in the second half.
        const bool with_kills = Clock::now() < begin + duration / 2;
        ASSERT_NO_FATAL_FAILURE(round(with_kills, n % kFullEvery == 2));
        if (::testing::Test::HasFailure()) return;
        const Sample& last = samples_.back();
        std::printf(
            "round %d: %llu spans, %llu lost; consumer %llu KiB, %llu descriptors; "
            "witness %llu KiB, %llu; rings %llu KiB, %llu files\n",
            n, static_cast<unsigned long long>(account_->totals().spans),
            static_cast<unsigned long long>(account_->totals().missing),
            static_cast<unsigned long long>(last.consumer.rss_kib),
            static_cast<unsigned long long>(last.consumer.descriptors),
            static_cast<unsigned long long>(last.witness.rss_kib),
            static_cast<unsigned long long>(last.witness.descriptors),
            static_cast<unsigned long long>(last.ring_kib),
            static_cast<unsigned long long>(last.ring_files));
        std::fflush(stdout);
    }
}

void Soak::report() const {
    const Totals& totals = account_->totals();
    const auto n = [](auto value) { return static_cast<unsigned long long>(value); };
    std::printf(
        "soak: %llu rounds, %llu spans of %llu lives, %llu stored (%llu of them retired "
        "for want of room), %llu lost and counted, %llu ends lost and counted, %llu under way when "
        "killed\n",
        n(samples_.size()), n(totals.spans), n(ledger_->lives.load()), n(totals.stored),
        n(totals.retired), n(totals.missing), n(totals.endless), n(totals.under_way));
    std::printf(
        "soak: %llu kills, %llu stops, %llu forks, %llu execs, %llu loads, consumer %llu "
        "kills and %llu stops, %llu times a full disk%s\n",
        n(kills_), n(stops_), n(ledger_->forks.load()), n(ledger_->execs.load()),
        n(ledger_->loads.load()), n(consumer_kills_), n(consumer_stops_), n(fulls_),
        disk_.can_be_full() ? "" : " (NOT TESTED: mounts are forbidden here)");
}

/// Of a figure of the samples from `from` on: no more at the end than at the beginning.
template <typename Figure>
void expect_flat(const std::vector<Sample>& samples, std::size_t from, const char* what,
                 std::uint64_t slack, const Figure& figure) {
    if (samples.size() < from + 2 * kFlatSamples) return;
    const auto median = [&](auto begin) {
        std::vector<std::uint64_t> values;
        std::transform(begin, begin + kFlatSamples, std::back_inserter(values), figure);
        std::nth_element(values.begin(), values.begin() + kFlatSamples / 2, values.end());
        return values[kFlatSamples / 2];
    };
    const std::uint64_t first = median(samples.begin() + static_cast<std::ptrdiff_t>(from));
    const std::uint64_t last = median(samples.end() - kFlatSamples);
    std::printf("soak: %s: %llu at first, %llu at last\n", what,
                static_cast<unsigned long long>(first), static_cast<unsigned long long>(last));
    EXPECT_LE(last, first + slack) << what;
}

void Soak::check_flat() const {
    // All are warm after some rounds.
    const std::size_t warm = std::min<std::size_t>(10, samples_.size() / 4);
    const std::size_t born = std::max(warm, last_birth_ + 2);
    // Its heap is as large as the compaction of a whole window has made it, once there was one;
    // that takes minutes, and the heap of several threads is never quite the same.
    const std::size_t grown = born + (samples_.size() - std::min(samples_.size(), born)) / 2;
    expect_flat(samples_, grown, "consumer, KiB", 8 << 10,
                [](const Sample& s) { return s.consumer.rss_kib; });
    expect_flat(samples_, born, "consumer, descriptors", 2,
                [](const Sample& s) { return s.consumer.descriptors; });
    expect_flat(samples_, warm, "witness, KiB", 2 << 10,
                [](const Sample& s) { return s.witness.rss_kib; });
    expect_flat(samples_, warm, "witness, descriptors", 0,
                [](const Sample& s) { return s.witness.descriptors; });
    expect_flat(samples_, warm, "rings, KiB", 1 << 10, [](const Sample& s) { return s.ring_kib; });
    expect_flat(samples_, warm, "rings, files", 0, [](const Sample& s) { return s.ring_files; });
}

TEST(Soak, keeps_the_exact_account_and_does_not_grow) {
    const std::uint64_t seed = number_from("SPANRING_SEED", 1);
    Soak soak(seed);
    soak.run(std::chrono::seconds(number_from("SPANRING_SOAK_SECONDS", 15)));
    soak.report();
    soak.check_flat();
}

}  // namespace
}  // namespace spanring::soak
