// `spanring bench`: what it counts, what it refuses, what it leaves behind. How fast this machine
// is, is no matter here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "cli_run.hpp"

namespace spanring::tools {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr unsigned kSeconds = 300;

std::size_t entries_of(const std::string& folder) {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
    return count;
}

bool two_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= 2;
}

class Bench : public testing::Test {
protected:
    void SetUp() override {
        if (access((program_folder() + "/spanringd").c_str(), X_OK) != 0) {
            GTEST_SKIP() << "spanringd is not among the parts that were built";
        }
        if (!two_cores()) GTEST_SKIP() << "needs two processors";
    }
    Outcome bench(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), "bench");
        return run_spanring(std::move(arguments), {{"TMPDIR", folder_.path()}}, kSeconds);
    }
    Folder folder_;
};

void expect_sound(const rapidjson::Document& json) {
    ASSERT_TRUE(json["measured"].GetBool());
    EXPECT_GT(json["emitted"].GetUint64(), 1000u);
    EXPECT_EQ(json["stored"].GetUint64(), json["emitted"].GetUint64());
    EXPECT_EQ(json["lost"].GetUint64(), 0u);
    EXPECT_GT(json["database_bytes"].GetUint64(), 0u);
    EXPECT_GT(json["consumer_rss_bytes"].GetUint64(), 1u << 20);
    EXPECT_GT(json["producer_ns"].GetDouble(), 0);
    EXPECT_GT(json["generator_ns"].GetDouble(), 0);
}

TEST_F(Bench, counts_in_the_database_what_the_producers_emitted) {
    for (const char* workload : {"tight", "mix"}) {
        for (const char* attributes : {"0", "2"}) {
            const Outcome outcome =
                bench({"throughput", "--workload", workload, "--attributes", attributes, "--rate",
                       "20k", "--seconds", "1", "--despite-load", "--json"});
            ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
            const auto json = parsed(outcome);
            expect_sound(json);
            EXPECT_LE(json["spans_per_s"].GetDouble(), 20'100);
            EXPECT_STREQ(json["workload"].GetString(), workload);
        }
    }
    EXPECT_EQ(entries_of(folder_.path()), 0u);
}

TEST_F(Bench, two_producers_are_counted_together) {
    const Outcome outcome = bench({"throughput", "--producers", "2", "--rate", "20k", "--seconds",
                                   "1", "--despite-load", "--json"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto json = parsed(outcome);
    expect_sound(json);
    EXPECT_EQ(json["producers"].GetUint(), 2u);
}

TEST_F(Bench, many_producers_in_bursts_are_counted_together) {
    const Outcome outcome =
        bench({"throughput", "--producers", "20", "--burst-ms", "50", "--no-pin", "--rate", "20k",
               "--seconds", "1", "--despite-load", "--json"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto json = parsed(outcome);
    expect_sound(json);
    EXPECT_EQ(json["producers"].GetUint(), 20u);
    EXPECT_GT(json["consumer_cpu"].GetDouble(), 0);
}

TEST_F(Bench, a_search_gives_a_sound_number_or_none) {
    const Outcome outcome = bench({"throughput", "--seconds", "1", "--search-seconds", "0.1",
                                   "--quick", "--despite-load", "--json"});
    const auto json = parsed(outcome);
    if (outcome.exit_code == 0) {
        expect_sound(json);
        EXPECT_GT(json["runs"].GetUint(), 1u);
    } else {
        EXPECT_EQ(outcome.exit_code, 1) << outcome.err;
        EXPECT_FALSE(json["measured"].GetBool());
        EXPECT_THAT(json["why"].GetString(), HasSubstr("no number"));
        EXPECT_FALSE(json.HasMember("spans_per_s"));
    }
    EXPECT_EQ(entries_of(folder_.path()), 0u);
}

TEST_F(Bench, a_rate_that_nobody_can_make_gives_no_number) {
    const Outcome outcome = bench({"throughput", "--rate", "1G", "--seconds", "0.3"});
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, HasSubstr("no number"));
}

TEST_F(Bench, settings_of_the_environment_change_nothing) {
    const Outcome outcome = run_spanring(
        {"bench", "throughput", "--rate", "5k", "--seconds", "0.3", "--despite-load", "--json"},
        {{"TMPDIR", folder_.path()}, {"SPANRING_DIR", "/nonexistent"}, {"SPANRING_DISABLED", "1"}},
        kSeconds);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    expect_sound(parsed(outcome));
}

TEST_F(Bench, delay_sees_every_span) {
    const Outcome outcome = bench({"delay", "--rates", "5,1000", "--seconds", "1", "--json"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto json = parsed(outcome);
    ASSERT_EQ(json["rates"].Size(), 2u);
    for (const auto& rate : json["rates"].GetArray()) {
        EXPECT_GT(rate["emitted"].GetUint64(), 0u);
        EXPECT_EQ(rate["seen"].GetUint64(), rate["emitted"].GetUint64());
        EXPECT_EQ(rate["lost"].GetUint64(), 0u);
        EXPECT_GT(rate["delay_ns_p50"].GetInt64(), 0);
        EXPECT_LE(rate["delay_ns_p50"].GetInt64(), rate["delay_ns_p99"].GetInt64());
        EXPECT_LE(rate["delay_ns_p99"].GetInt64(), rate["delay_ns_max"].GetInt64());
    }
    EXPECT_THAT(bench({"delay", "--rates", "100", "--seconds", "0.5"}).out, HasSubstr("P99"));
    EXPECT_EQ(entries_of(folder_.path()), 0u);
}

TEST_F(Bench, nonsense_is_refused_in_one_line) {
    for (const char* flag :
         {"--workload=loose", "--attributes=1", "--producers=0", "--producers=1001", "--burst-ms=0",
          "--seconds=0", "--seconds=x", "--search-seconds=-1", "--rate=0", "--rate=many"}) {
        expect_one_line(bench({"throughput", flag}), std::string(flag).substr(0, 6));
    }
    for (const char* flag : {"--rates=0", "--rates=1,x", "--rates=1G", "--seconds=-1"}) {
        expect_one_line(bench({"delay", flag}), std::string(flag).substr(0, 6));
    }
    expect_one_line(bench({}), "spanring bench --help");
    expect_one_line(bench({"throughput", "--db", folder_ / "db"}), "--db-parent");
    expect_one_line(bench({"throughput", "--db-parent", folder_ / "absent"}), folder_ / "absent");
}

TEST_F(Bench, says_that_one_processor_is_not_enough) {
    cpu_set_t before;
    CPU_ZERO(&before);
    ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
    int first = 0;
    while (!CPU_ISSET(first, &before)) ++first;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    const Outcome throughput = bench({"throughput"});
    const Outcome delay = bench({"delay"});
    sched_setaffinity(0, sizeof before, &before);
    expect_one_line(throughput, "two processors");
    expect_one_line(delay, "two processors");
}

/// Processes with `text` on their command lines, this one's own left out.
int processes_with(const std::string& text) {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::ifstream file(entry.path() / "cmdline");
        std::ostringstream line;
        line << file.rdbuf();
        const bool own = entry.path().filename() == std::to_string(getpid());
        if (!own && line.str().find(text) != std::string::npos) ++count;
    }
    return count;
}

int rings_of(pid_t pid) {
    int count = 0;
    const std::string prefix = "spanring-bench-" + std::to_string(pid) + "-";
    for (const auto& entry : std::filesystem::directory_iterator("/dev/shm")) {
        if (entry.path().filename().string().rfind(prefix, 0) == 0) ++count;
    }
    return count;
}

pid_t start_bench(const char* what, const std::string& folder) {
    const std::string parent = "TMPDIR=" + folder;
    const std::string program = SPANRING_PROGRAM;
    const std::array<const char*, 5> arguments{program.c_str(), "bench", what, "--quiet", nullptr};
    const std::array<const char*, 3> environment{"PATH=/usr/bin:/bin", parent.c_str(), nullptr};
    pid_t pid = 0;
    const int failed = posix_spawn(&pid, program.c_str(), nullptr, nullptr,
                                   const_cast<char* const*>(arguments.data()),
                                   const_cast<char* const*>(environment.data()));
    return failed == 0 ? pid : -1;
}

TEST_F(Bench, leaves_nothing_behind_when_killed) {
    const pid_t pid = start_bench("delay", folder_.path());
    ASSERT_GT(pid, 0);
    // A consumer, and the guardian that knows of it.
    while (processes_with(folder_.path()) < 2) {
        ASSERT_EQ(waitpid(pid, nullptr, WNOHANG), 0);
        std::this_thread::sleep_for(5ms);
    }
    kill(pid, SIGKILL);
    ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
    while (rings_of(pid) != 0 || entries_of(folder_.path()) != 0 ||
           processes_with(folder_.path()) != 0) {
        std::this_thread::sleep_for(20ms);  // the test's time limit ends a wait in vain
    }
}

TEST_F(Bench, leaves_nothing_behind_when_interrupted) {
    for (const char* what : {"throughput", "delay"}) {
        const pid_t pid = start_bench(what, folder_.path());
        ASSERT_GT(pid, 0);
        // Both folders, and a consumer that was given them.
        while (rings_of(pid) == 0 || entries_of(folder_.path()) == 0 ||
               processes_with(folder_.path()) == 0) {
            ASSERT_EQ(waitpid(pid, nullptr, WNOHANG), 0);
            std::this_thread::sleep_for(5ms);
        }
        std::this_thread::sleep_for(500ms);
        kill(pid, SIGINT);
        int status = 0;
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 2) << status;
        EXPECT_EQ(rings_of(pid), 0);
        EXPECT_EQ(entries_of(folder_.path()), 0u);
        EXPECT_EQ(processes_with(folder_.path()), 0);
    }
}

}  // namespace
}  // namespace spanring::tools
