// The consumer's life from the command line: up, status, run, down, with the real spanringd.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli_run.hpp"
#include "spanring/spanring.hpp"

namespace spanring::tools {
namespace {

using testing::HasSubstr;

class Consumer : public testing::Test {
protected:
    void SetUp() override {
        if (access((program_folder() + "/spanringd").c_str(), X_OK) != 0) {
            GTEST_SKIP() << "spanringd is not among the parts that were built";
        }
    }
    void TearDown() override { (void)spanring({"down"}); }
    Outcome spanring(std::vector<std::string> arguments) const {
        return run_spanring(std::move(arguments),
                            {{"SPANRING_DIR", rings_ / "rings"}, {"SPANRING_DB", folder_ / "db"}});
    }
    Folder rings_{"/dev/shm"};
    Folder folder_;
};

TEST_F(Consumer, comes_up_once_and_goes_down) {
    const Outcome up = spanring({"up", "--json"});
    ASSERT_EQ(up.exit_code, 0) << up.err;
    const auto first = parsed(up);
    EXPECT_TRUE(first["started"].GetBool());
    const int pid = first["pid"].GetInt();
    EXPECT_EQ(kill(pid, 0), 0);

    const auto again = parsed(spanring({"up", "--json"}));
    EXPECT_FALSE(again["started"].GetBool());
    EXPECT_EQ(again["pid"].GetInt(), pid);

    const auto status = parsed(spanring({"status", "--json"}));
    EXPECT_EQ(status["consumer"]["pid"].GetInt(), pid);
    EXPECT_TRUE(status["consumer"]["enabled"].GetBool());

    const auto down = parsed(spanring({"down", "--json"}));
    EXPECT_TRUE(down["stopped"].GetBool());
    EXPECT_EQ(down["pid"].GetInt(), pid);
    EXPECT_TRUE(parsed(spanring({"status", "--json"}))["consumer"]["pid"].IsNull());
    EXPECT_FALSE(parsed(spanring({"down", "--json"}))["stopped"].GetBool());
}

TEST_F(Consumer, that_cannot_start_says_why_in_one_line) {
    const Outcome up = spanring({"up", "--db", "/proc/none"});
    EXPECT_EQ(up.exit_code, 2);
    EXPECT_THAT(up.err, HasSubstr("/proc/none"));
}

TEST_F(Consumer, doctor_finds_nothing_wrong_while_it_runs) {
    ASSERT_EQ(spanring({"up"}).exit_code, 0);
    const Outcome doctor = spanring({"doctor"});
    EXPECT_EQ(doctor.exit_code, 0) << doctor.out;
    EXPECT_THAT(doctor.out, HasSubstr("tracing is enabled"));
}

/// A process whose tracer finds no room for a ring. It waits.
pid_t start_without_room(const std::string& rings) {
    int ready[2];
    EXPECT_EQ(::pipe(ready), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
        const rlimit small{8192, 8192};
        ::signal(SIGXFSZ, SIG_IGN);
        ::setrlimit(RLIMIT_FSIZE, &small);
        ::setenv("SPANRING_DIR", rings.c_str(), 1);
        { ::spanring::Span span("nothing"); }
        if (::write(ready[1], "x", 1) != 1) ::_exit(1);
        for (;;) ::pause();
    }
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    ::close(ready[1]);
    return pid;
}

TEST_F(Consumer, doctor_says_why_a_live_process_could_not_start_its_tracer) {
    ASSERT_EQ(spanring({"up"}).exit_code, 0);
    const pid_t pid = start_without_room(rings_ / "rings");
    const Outcome doctor = spanring({"doctor", std::to_string(pid)});
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    EXPECT_EQ(doctor.exit_code, 1);
    EXPECT_THAT(doctor.out, HasSubstr("its tracer"));
    EXPECT_THAT(doctor.out, HasSubstr("it says: "));
    EXPECT_THAT(doctor.out, HasSubstr("File too large"));
}

TEST_F(Consumer, run_traces_a_command_and_leaves_nothing_running) {
    const Outcome run = spanring({"run", "--json", "--", "sh", "-c", "exit 3"});
    EXPECT_EQ(run.exit_code, 3) << run.err;
    const auto json = parsed(run);
    EXPECT_EQ(json["exit_code"].GetInt(), 3);
    ASSERT_EQ(json["operations"].Size(), 1u);
    EXPECT_STREQ(json["operations"][0]["operation"].GetString(), "sh -c exit 3");
    EXPECT_EQ(json["operations"][0]["errors"].GetInt(), 1);
    EXPECT_TRUE(parsed(spanring({"status", "--json"}))["consumer"]["pid"].IsNull());
    const Outcome trace = spanring({"trace", json["trace_id"].GetString()});
    EXPECT_EQ(trace.exit_code, 0) << trace.err;
    EXPECT_THAT(trace.out, HasSubstr("exit code 3"));
}

TEST_F(Consumer, run_hands_its_context_to_the_command) {
    const Outcome run = spanring({"run", "--json", "--", "sh", "-c", "echo \"$TRACEPARENT\" >&2"});
    EXPECT_EQ(run.exit_code, 0);
    const auto json = parsed(run);
    EXPECT_THAT(run.err, HasSubstr(std::string("00-") + json["trace_id"].GetString() + "-"));
}

TEST_F(Consumer, run_of_a_missing_program_is_127) {
    const Outcome run = spanring({"run", "--", "/no/such/program"});
    EXPECT_EQ(run.exit_code, 127);
    EXPECT_THAT(run.err, HasSubstr("/no/such/program"));
}

TEST_F(Consumer, run_uses_a_consumer_that_is_there_and_leaves_it) {
    const auto up = parsed(spanring({"up", "--json"}));
    // Its root span's context is handed on, so the end is held back for a turn: what flush promised
    // must hold all the same, time after time.
    for (int i = 0; i < 20; ++i) {
        const Outcome run = spanring({"run", "--json", "--", "true"});
        EXPECT_EQ(run.exit_code, 0);
        EXPECT_EQ(parsed(run)["spans"].GetInt(), 1);
    }
    EXPECT_EQ(parsed(spanring({"status", "--json"}))["consumer"]["pid"].GetInt(),
              up["pid"].GetInt());
}

}  // namespace
}  // namespace spanring::tools
