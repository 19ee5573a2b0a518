// The consumer is met at each of its testpoints while `spanring emit` runs random programs: nested,
// asynchronous and imported spans, contexts, events, links, values larger than a page, forks,
// threads that come and go; with rings that never overflow, and with small ones that do. After it,
// what is stored and what was counted as lost is exactly what was emitted: `spanring emit
// --verify`.
//
//     SPANRING_TEST_CASE="commit.begun kill drop 1" process_kill --gtest_filter=*random*
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "shards.hpp"
#include "testpoints.hpp"
#include "traced.hpp"
#include "world.hpp"

namespace spanring::kill {
namespace {

using consumer::testing::World;
using namespace std::chrono_literals;

constexpr int kShards = 4;
constexpr auto kArrivalMax = 2s;
constexpr auto kStopped = 20ms;
/// Before a consumer that has something to recover is started.
constexpr auto kLead = 60ms;

struct Case {
    std::string testpoint;
    bool kill{true};
    bool drop{true};
    std::uint64_t nth{1};

    [[nodiscard]] std::string name() const {
        return testpoint + (kill ? " kill" : " stop") + (drop ? " drop " : " block ") +
               std::to_string(nth);
    }
};

std::string text_of(const std::string& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

bool is_readable(const UniqueFd& fd) {
    pollfd asked{fd.get(), POLLIN, 0};
    return ::poll(&asked, 1, 0) == 1 && (asked.revents & POLLIN) != 0;
}

class Scene {
public:
    explicit Scene(const Case& c) : case_(c) {
        const std::string file = path(".toml");
        std::ofstream(file) << "store.window_bytes = \"64KiB\"\n";
        arguments_ = {"--config", file};
    }

    /// How much the programs have lost, by their own count and by what is missing.
    [[nodiscard]] std::uint64_t lost() const {
        // "missing/counted as lost: spans 3/3, ends 0/0, details 7/7"
        const std::string verdict = text_of(path(".verdict"));
        std::uint64_t sum = 0;
        for (std::size_t at = 0; (at = verdict.find('/', at)) != std::string::npos; ++at) {
            sum += std::strtoull(verdict.c_str() + at + 1, nullptr, 10);
        }
        return sum;
    }

    /// Returns whether the consumer came to the testpoint.
    bool run(const Testpoints& testpoints) {
        const bool later =
            case_.testpoint.starts_with("recover.") || case_.testpoint.starts_with("attach.");
        if (later) {
            EXPECT_GT(world_.up(arguments_), 0);
            start_programs();
            std::this_thread::sleep_for(kLead);
            world_.kill_consumer();
        }
        UniqueFd ready;
        world_.launch(arguments_, Traced::announce, &ready);
        Traced victim(std::exchange(world_.consumer, -1),
                      {SPANRINGD, testpoints.at(case_.testpoint), case_.nth}, true);
        if (victim.run(20s, [&] { return is_readable(ready); }) == Traced::State::kRuns) {
            EXPECT_TRUE(is_readable(ready)) << "it hangs";
            if (!later) start_programs();
            victim.run(kArrivalMax);
        }
        const bool arrived = victim.state() == Traced::State::kArrived;
        EXPECT_NE(victim.state(), Traced::State::kEnded) << "status " << victim.status();
        if (case_.kill || !arrived) {
            victim.kill();
        } else {
            victim.stop_and_leave();
            std::this_thread::sleep_for(kStopped);
            ::kill(victim.pid(), SIGCONT);
            world_.consumer = victim.pid();
        }
        finish();
        return arrived;
    }

private:
    [[nodiscard]] std::string path(const char* what) const { return world_.database + what; }

    pid_t spanring(std::vector<std::string> words, const std::string& output) {
        const std::string program = std::filesystem::path(SPANRINGD).parent_path() / "spanring";
        words.insert(words.begin(), program);
        words.insert(words.end(), {"--quiet", "--dir", world_.directory, "--db", world_.database});
        std::vector<char*> pointers;
        for (auto& word : words) pointers.push_back(word.data());
        pointers.push_back(nullptr);
        const pid_t pid = ::fork();
        if (pid != 0) return pid;
        const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        ::dup2(out, STDOUT_FILENO);
        ::dup2(out, STDERR_FILENO);
        ::execv(pointers[0], pointers.data());
        ::_exit(127);
    }

    void start_programs() {
        const std::string seed = std::to_string(std::hash<std::string>{}(case_.name()) % 100'000);
        std::vector<std::string> words{
            "emit",    "--seed", seed,      "--processes", "2",        "--threads",     "3",
            "--spans", "150",    "--forks", "1",           "--oracle", path(".oracle"), "--policy"};
        if (case_.drop) {
            words.insert(words.end(), {"drop", "--page-bytes", "1024", "--ring-bytes", "16384"});
        } else {
            words.push_back("block");
        }
        programs_ = spanring(words, path(".emit"));
        // They look for a consumer first, and give up where there is none: the victim may die as
        // soon as they have found it, and not before.
        siginfo_t ended{};
        const auto last = std::chrono::steady_clock::now() + kArrivalMax;
        while (ended.si_pid == 0 && world_.files(".seg").empty() &&
               std::chrono::steady_clock::now() < last) {
            std::this_thread::sleep_for(1ms);
            ::waitid(P_PID, static_cast<id_t>(programs_), &ended, WEXITED | WNOHANG | WNOWAIT);
        }
    }

    void finish() {
        if (world_.consumer < 0) {
            ASSERT_GT(world_.up(arguments_), 0);
        }
        if (programs_ < 0) start_programs();
        EXPECT_EQ(World::wait_for(programs_), 0) << text_of(path(".emit"));
        EXPECT_EQ(world_.down(), 0) << text_of(world_.log);
        const pid_t exported =
            spanring({"export", "--format", "jsonl", "-o", path(".jsonl")}, path(".export"));
        EXPECT_EQ(World::wait_for(exported), 0) << text_of(path(".export"));
        const pid_t verified =
            spanring({"emit", "--verify", path(".oracle"), path(".jsonl")}, path(".verdict"));
        EXPECT_EQ(World::wait_for(verified), 0) << text_of(path(".verdict"));
    }

    const Case& case_;
    World world_;
    std::vector<std::string> arguments_;
    pid_t programs_{-1};
};

std::vector<Case> all_cases(const Testpoints& testpoints) {
    const char* one = std::getenv("SPANRING_TEST_CASE");
    const char* wanted = std::getenv("SPANRING_TEST_ARRIVALS");
    // A third of the matrices' arrivals: each of these cases takes longer than one of theirs.
    const int arrivals = wanted == nullptr ? 1 : std::max(1, std::atoi(wanted) / 3);
    std::vector<Case> out;
    for (const auto& [testpoint, addresses] : testpoints) {
        // What is retired cannot be verified.
        if (testpoint.starts_with("retire.")) continue;
        for (int i = 0; i < arrivals; ++i) {
            for (const bool kill : {true, false}) {
                for (const bool drop : {true, false}) {
                    Case c{testpoint, kill, drop, static_cast<std::uint64_t>(1 + i * i + i)};
                    // By default a stop is tried with one of the two.
                    if (!kill && drop && one == nullptr && wanted == nullptr) continue;
                    if (one == nullptr || c.name() == one) out.push_back(std::move(c));
                }
            }
        }
    }
    return out;
}

TEST(KillMatrix, a_consumer_met_beside_random_programs_keeps_the_exact_account) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    const Testpoints testpoints = testpoints_of(SPANRINGD);
    const auto cases = all_cases(testpoints);
    const SharedCounters met(cases.size());
    const SharedCounters lost(1);
    run_sharded(cases.size(), kShards, 1000, [&](std::size_t index) {
        SCOPED_TRACE("SPANRING_TEST_CASE=\"" + cases[index].name() + "\"");
        Scene scene(cases[index]);
        met[index] = scene.run(testpoints) ? 1 : 0;
        lost[0] += scene.lost();
    });
    std::uint64_t met_all = 0;
    for (std::size_t i = 0; i < cases.size(); ++i) met_all += met[i];
    std::printf("random programs: %zu cases, %llu met at their testpoint, %llu losses counted\n",
                cases.size(), static_cast<unsigned long long>(met_all),
                static_cast<unsigned long long>(lost[0].load()));
    EXPECT_GT(met_all, 0u);
    if (cases.size() > 1) {
        EXPECT_GT(lost[0], 0u) << "no ring overflowed";
    }
}

}  // namespace
}  // namespace spanring::kill
