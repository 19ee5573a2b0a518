// The kill matrix: at every testpoint a process is killed, or stopped and continued, beside one to
// three producers, with the consumer alive, killed at the same moment, or killed with all of them.
// After it everything that a call had returned from is in the database, once and whole.
//
//     SPANRING_TEST_CASE="page.claimed kill 2 all 1" process_kill    one case
//     SPANRING_TEST_ARRIVALS=22 process_kill                         at more arrivals at each point
//     SPANRING_TEST_SHARDS=1 process_kill                            one after the other
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "shards.hpp"
#include "testpoints.hpp"
#include "traced.hpp"
#include "workload.hpp"

namespace spanring::kill {
namespace {

using consumer::testing::World;
using namespace std::chrono_literals;

enum class Action { kKill, kStop };
/// What becomes of the others at that moment.
enum class Others {
    kLive,
    kOther,  ///< the other side is killed: the consumer, or all other producers
    kAll     ///< everybody is
};

struct Case {
    std::string testpoint;
    Action action{Action::kKill};
    int producers{1};
    Others others{Others::kLive};
    std::uint64_t nth{1};
    bool patient{false};  ///< nobody has come to the testpoint yet: it is waited for longer

    [[nodiscard]] std::string name() const {
        const char* const actions[] = {"kill", "stop"};
        const char* const fates[] = {"live", "other", "all"};
        std::ostringstream out;
        out << testpoint << ' ' << actions[static_cast<int>(action)] << ' ' << producers << ' '
            << fates[static_cast<int>(others)] << ' ' << nth;
        return out.str();
    }
};

/// Times that a stopped process is left alone: some of the consumer's turns.
constexpr auto kStopped = 5ms;
constexpr auto kArrivalMax = 20s;
/// What a consumer comes to in the background takes some hundred milliseconds.
constexpr std::chrono::milliseconds kBackgroundMax = 1500ms;
/// On a machine that is busy with something else it may be seconds.
constexpr std::chrono::milliseconds kBusyMax = 20s;
/// A later arrival may never be.
constexpr auto kLaterMax = 300ms;
/// A case keeps a quarter of a core busy.
constexpr int kShards = 6;

std::string self() {
    return std::filesystem::read_symlink("/proc/self/exe");
}

/// What was never finished has no name, and goes when it is old.
bool gone(const World& world) {
    const auto files = world.files(".seg");
    return std::all_of(files.begin(), files.end(),
                       [](const std::string& name) { return name.starts_with(".new-"); });
}

template <typename Condition>
bool comes_true(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(1ms);
    }
    return true;
}

/// One case: a world, its producers, and who is to be met at the testpoint.
class Scene {
public:
    Scene(const Case& c, WorkloadSize size) : case_(c), workload_(size) {
        killed_.assign(static_cast<std::size_t>(c.producers), false);
        pids_.assign(killed_.size(), -1);
        started_ = killed_;
    }

    void start_producer(int number, const std::function<void()>& prepare = {}) {
        started_[static_cast<std::size_t>(number)] = true;
        pids_[static_cast<std::size_t>(number)] = world.producer([&, number] {
            if (prepare) prepare();
            workload_.produce(number);
        });
    }
    /// Those that have not been started yet.
    void start_producers() {
        for (int i = 0; i < case_.producers; ++i) {
            const auto index = static_cast<std::size_t>(i);
            if (!started_[index]) start_producer(i);
        }
    }
    void kill_producer(int number) {
        const auto index = static_cast<std::size_t>(number);
        if (pids_[index] < 0) return;
        ::kill(pids_[index], SIGKILL);
        // It may have come to its end before.
        killed_[index] = World::wait_for(std::exchange(pids_[index], -1)) != 0;
    }
    void kill_producers_from(int first) {
        for (int i = first; i < case_.producers; ++i) kill_producer(i);
    }
    /// Producer `number` is somebody else's to wait for from now on.
    pid_t take_over(int number) {
        return std::exchange(pids_[static_cast<std::size_t>(number)], -1);
    }
    void was_killed(int number) { killed_[static_cast<std::size_t>(number)] = true; }
    void give_back(int number, pid_t pid) { pids_[static_cast<std::size_t>(number)] = pid; }

    void kill_consumer() {
        if (world.consumer > 0) world.kill_consumer();
    }

    /// Everybody who is left comes to a good end; then the account.
    void finish() {
        if (world.consumer < 0) {
            ASSERT_GT(world.up(arguments), 0);
        }
        start_producers();
        for (std::size_t i = 0; i < pids_.size(); ++i) {
            if (pids_[i] < 0) continue;
            EXPECT_EQ(World::wait_for(std::exchange(pids_[i], -1)), 0) << "producer " << i;
        }
        EXPECT_TRUE(comes_true([this] { return gone(world); })) << "a segment is left";
        EXPECT_EQ(world.down(), 0);
        workload_.check(world, killed_, may_miss_oldest);
    }

    World world;
    std::vector<std::string> arguments;
    bool may_miss_oldest{false};

private:
    const Case& case_;
    Workload workload_;
    std::vector<bool> started_;
    std::vector<bool> killed_;
    std::vector<pid_t> pids_;  ///< -1: not started, killed, or waited for
};

/// The first producer is the one that is met. Returns whether it came to the testpoint.
bool run_producer_case(const Case& c, const Testpoints& testpoints) {
    Scene scene(c, {});
    EXPECT_GT(scene.world.up(), 0);
    scene.start_producer(0, Traced::announce);
    Traced victim(scene.take_over(0), {self(), testpoints.at(c.testpoint), c.nth}, false);
    scene.start_producers();
    const bool arrived = victim.run(kArrivalMax) == Traced::State::kArrived;
    if (!arrived) {
        EXPECT_EQ(victim.state(), Traced::State::kEnded) << "it hangs";
        EXPECT_EQ(victim.status(), 0);
        scene.finish();
        return false;
    }
    if (c.others != Others::kLive) scene.kill_consumer();
    if (c.others == Others::kAll) scene.kill_producers_from(1);
    if (c.action == Action::kKill) {
        victim.kill();
        scene.was_killed(0);
    } else {
        victim.stop_and_leave();
        if (scene.world.consumer < 0) {
            EXPECT_GT(scene.world.up(), 0);
        }
        std::this_thread::sleep_for(kStopped);
        ::kill(victim.pid(), SIGCONT);
        scene.give_back(0, victim.pid());
    }
    scene.finish();
    return true;
}

/// For testpoints of what is done to windows: those are small, and filled.
void use_small_windows(Scene& scene, bool retires) {
    const std::string file = scene.world.database + ".toml";
    std::ofstream(file) << "store.window_bytes = \"64KiB\"\n"
                        << "store.bytes_max = \"" << (retires ? "1MiB" : "1GiB") << "\"\n";
    scene.arguments = {"--config", file};
    scene.may_miss_oldest = retires;
}

bool is_readable(const UniqueFd& fd) {
    pollfd asked{fd.get(), POLLIN, 0};
    return ::poll(&asked, 1, 0) == 1 && (asked.revents & POLLIN) != 0;
}

/// A consumer that was killed while producers wrote: there is something to recover.
void leave_something(Scene& scene) {
    EXPECT_GT(scene.world.up(scene.arguments), 0);
    scene.start_producers();
    const auto written = [&] {
        std::error_code missing;
        const auto log = scene.world.database + "/w-0000000000000001.log";
        const auto bytes = std::filesystem::file_size(log, missing);
        return !missing && bytes != 0;
    };
    EXPECT_TRUE(comes_true(written));
    scene.kill_consumer();
}

/// The consumer is the one that is met.
bool run_consumer_case(const Case& c, const Testpoints& testpoints) {
    const bool retires = c.testpoint.starts_with("retire.");
    const bool windows = retires || c.testpoint.starts_with("compact.");
    WorkloadSize size;
    if (windows) {
        size.pairs = 1000u / static_cast<unsigned>(c.producers);
        size.text_bytes = retires ? 1000u : 200u;
    }
    if (c.testpoint == "revoke.outside") size.idle_threads = 13;
    Scene scene(c, size);
    if (windows) use_small_windows(scene, retires);
    if (c.testpoint.starts_with("recover.") || c.testpoint.starts_with("attach.")) {
        leave_something(scene);
    }
    UniqueFd ready;
    scene.world.launch(scene.arguments, Traced::announce, &ready);
    Traced victim(std::exchange(scene.world.consumer, -1),
                  {SPANRINGD, testpoints.at(c.testpoint), c.nth}, true);
    if (victim.run(kArrivalMax, [&] { return is_readable(ready); }) == Traced::State::kRuns) {
        EXPECT_TRUE(is_readable(ready)) << "it hangs";
        scene.start_producers();
        victim.run(c.patient ? kBusyMax : c.nth == 1 ? kBackgroundMax : kLaterMax);
    }
    const bool arrived = victim.state() == Traced::State::kArrived;
    EXPECT_NE(victim.state(), Traced::State::kEnded) << "status " << victim.status();
    if (c.others == Others::kOther) scene.kill_producers_from(1);
    if (c.others == Others::kAll) scene.kill_producers_from(0);
    if (c.action == Action::kKill || !arrived) {
        victim.kill();
    } else {
        victim.stop_and_leave();
        std::this_thread::sleep_for(kStopped);
        ::kill(victim.pid(), SIGCONT);
        scene.world.consumer = victim.pid();
    }
    scene.finish();
    return arrived;
}

int number_from(const char* variable, int otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::atoi(text);
}

std::vector<std::uint64_t> arrivals() {
    const int count = number_from("SPANRING_TEST_ARRIVALS", 2);
    // 1, 3, 8, 15, ...: the first, and later ones further and further apart.
    std::vector<std::uint64_t> out{1};
    for (int i = 1; i < count; ++i) out.push_back(static_cast<std::uint64_t>(i * i + 2 * i));
    return out;
}

/// `victim` is killed or stopped. Of one producer there are no others.
enum class Victim { kProducer, kConsumer };

std::vector<Case> cases_of(const Testpoints& testpoints, Victim victim) {
    std::vector<Case> out;
    const char* one = std::getenv("SPANRING_TEST_CASE");
    // By default a stop, which leaves nothing behind, is tried at the first arrival alone.
    const bool all = one != nullptr || std::getenv("SPANRING_TEST_ARRIVALS") != nullptr;
    for (const auto& [testpoint, addresses] : testpoints) {
        for (const std::uint64_t nth : arrivals()) {
            for (const Action action : {Action::kKill, Action::kStop}) {
                if (action == Action::kStop && nth > 1 && !all) continue;
                for (int producers = 1; producers <= kProducersMax; ++producers) {
                    for (const Others others : {Others::kLive, Others::kOther, Others::kAll}) {
                        const bool as_live = victim == Victim::kConsumer && producers == 1 &&
                                             others == Others::kOther;
                        if (as_live) continue;
                        Case c{testpoint, action, producers, others, nth};
                        if (one == nullptr || c.name() == one) out.push_back(std::move(c));
                    }
                }
            }
        }
    }
    return out;
}

using RunCase = bool (*)(const Case&, const Testpoints&);

/// Testpoints that producers, and that the consumer comes to: by name, or by what stands before the
/// point.
const std::vector<std::string> kOfProducers{
    "grow", "page.claimed", "page.full", "page.header", "page.visible", "segment",
    "slot", "slow",         "string",    "thread",      "tracepoint",   "turn"};
const std::vector<std::string> kOfConsumer{
    "attach",        "commit",      "compact", "drain",  "end",    "index", "page.freed",
    "page.released", "page.stored", "recover", "retire", "revoke", "sync",  "tell"};

bool is_one_of(const std::vector<std::string>& list, const std::string& testpoint) {
    return std::any_of(list.begin(), list.end(), [&](const std::string& name) {
        return testpoint == name || testpoint.starts_with(name + ".");
    });
}

/// The steps of a record's way, and the testpoints without which nobody is met there.
const std::map<std::string, std::vector<std::string>> kStepsOfProducers{
    {"claim", {"tracepoint.entered", "slow.entered", "page.claimed"}},
    {"write", {"tracepoint.written", "slow.written", "page.header"}},
    {"publish", {"tracepoint.published", "slow.published", "page.visible"}},
    {"turn", {"turn.waiting", "turn.claimed", "turn.sealed", "turn.installed"}},
    {"grow", {"grow.reserved", "grow.declared"}}};
const std::map<std::string, std::vector<std::string>> kStepsOfConsumer{
    {"revoke", {"revoke.flagged", "revoke.outside", "revoke.segment"}},
    {"drain", {"drain.looked", "drain.copied", "drain.fed"}},
    {"commit", {"commit.window", "commit.begun", "commit.written"}},
    {"release", {"page.stored", "page.freed", "page.released"}},
    {"index", {"index.written", "index.committed"}},
    {"compact", {"compact.written", "compact.synced", "compact.renamed", "compact.indexed"}},
    {"retire", {"retire.begun", "retire.removed"}},
    {"attach", {"attach.mapped", "attach.resumed"}}};

void run_all(const std::string& program, const std::vector<std::string>& wanted, Victim victim,
             RunCase run) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    auto testpoints = testpoints_of(program);
    for (const auto& [testpoint, addresses] : testpoints) {
        EXPECT_TRUE(is_one_of(kOfProducers, testpoint) || is_one_of(kOfConsumer, testpoint))
            << testpoint << " is in no list";
    }
    std::erase_if(testpoints, [&](const auto& t) { return !is_one_of(wanted, t.first); });
    const auto cases = cases_of(testpoints, victim);
    const SharedCounters met(cases.size());
    const auto began = std::chrono::steady_clock::now();
    run_sharded(cases.size(), number_from("SPANRING_TEST_SHARDS", kShards), 1000,
                [&](std::size_t index) {
                    const Case& c = cases[index];
                    SCOPED_TRACE("SPANRING_TEST_CASE=\"" + c.name() + "\"");
                    met[index] = run(c, testpoints) ? 1 : 0;
                });
    std::map<std::string, std::uint64_t> arrived;
    std::uint64_t met_all = 0;
    for (std::size_t i = 0; i < cases.size(); ++i) {
        arrived[cases[i].testpoint] += met[i];
        met_all += met[i];
    }
    for (Case c : cases) {
        if (arrived[c.testpoint] != 0) continue;
        c.patient = true;
        run_sharded(1, 1, 1, [&](std::size_t) { met[0] = run(c, testpoints) ? 1 : 0; });
        arrived[c.testpoint] += met[0];
    }
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began);
    std::printf("matrix: %zu cases, %llu met at %zu testpoints, %s, %.0f s\n", cases.size(),
                static_cast<unsigned long long>(met_all), testpoints.size(),
                ::testing::Test::HasFailure() ? "FAILURES" : "losses 0", seconds.count());
    for (const auto& [testpoint, count] : arrived) {
        EXPECT_GT(count, 0u) << "nobody ever came to " << testpoint;
    }
}

void expect_steps(const std::map<std::string, std::vector<std::string>>& steps,
                  const Testpoints& testpoints, const std::vector<std::string>& list) {
    for (const auto& [step, needed] : steps) {
        for (const std::string& testpoint : needed) {
            EXPECT_TRUE(testpoints.contains(testpoint)) << step << " has lost " << testpoint;
            EXPECT_TRUE(is_one_of(list, testpoint)) << testpoint << " is met on the other side";
        }
    }
}

TEST(KillMatrix, has_testpoints_at_every_step_and_none_that_no_case_meets) {
    const auto producers = testpoints_of(self());
    const auto consumers = testpoints_of(SPANRINGD);
    expect_steps(kStepsOfProducers, producers, kOfProducers);
    expect_steps(kStepsOfConsumer, consumers, kOfConsumer);
    Testpoints all = producers;
    all.insert(consumers.begin(), consumers.end());
    for (const auto& [testpoint, addresses] : all) {
        const bool met = (is_one_of(kOfProducers, testpoint) && producers.contains(testpoint)) ||
                         (is_one_of(kOfConsumer, testpoint) && consumers.contains(testpoint));
        EXPECT_TRUE(met) << testpoint << " is in no case";
    }
}

TEST(KillMatrix, a_producer_met_at_any_testpoint) {
    run_all(self(), kOfProducers, Victim::kProducer, run_producer_case);
}

TEST(KillMatrix, a_consumer_met_at_any_testpoint) {
    run_all(SPANRINGD, kOfConsumer, Victim::kConsumer, run_consumer_case);
}

}  // namespace
}  // namespace spanring::kill
