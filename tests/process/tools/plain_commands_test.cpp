// What needs neither a consumer nor a database: help, version, limits, plan, status, doctor.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <sys/stat.h>

#include <fstream>

#include "cli_run.hpp"
#include "made_database.hpp"
#include "spanring/shm/directory.hpp"

namespace spanring::tools {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Command : public testing::TestWithParam<const char*> {};

TEST_P(Command, explains_itself_with_examples) {
    const Outcome outcome = run_spanring({GetParam(), "--help"});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("Examples:"));
    EXPECT_THAT(outcome.out, HasSubstr(std::string("spanring ") + GetParam()));
    EXPECT_THAT(outcome.out, HasSubstr("--json"));
    EXPECT_EQ(outcome.err, "");
}

TEST_P(Command, refuses_unknown_flags_in_one_line) {
    const Outcome outcome = run_spanring({GetParam(), "--no-such-flag"});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, StartsWith("spanring: "));
    EXPECT_THAT(outcome.err, HasSubstr("--help"));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

INSTANTIATE_TEST_SUITE_P(Every, Command,
                         testing::Values("up", "down", "status", "run", "top", "tail", "services",
                                         "operations", "traces", "trace", "export", "replay",
                                         "emit", "bench", "plan", "doctor", "inspect", "fsck",
                                         "compact", "limits", "version"),
                         [](const auto& command) { return std::string(command.param); });

TEST(Plain, help_lists_every_command) {
    const Outcome outcome = run_spanring({"--help"});
    EXPECT_EQ(outcome.exit_code, 0);
    for (const char* name : {"up", "status", "traces", "replay", "doctor", "limits"}) {
        EXPECT_THAT(outcome.out, HasSubstr(std::string("  ") + name));
    }
}

TEST(Plain, without_a_command_says_what_to_do) {
    const Outcome outcome = run_spanring({});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("spanring --help"));
}

TEST(Plain, version_names_the_abi) {
    EXPECT_THAT(run_spanring({"--version"}).out, StartsWith("spanring "));
    const auto json = parsed(run_spanring({"version", "--json"}));
    EXPECT_STREQ(json["abi"].GetString(), "1.0");
}

TEST(Plain, limits_are_numbers_by_name) {
    const auto json = parsed(run_spanring({"limits", "--json"}));
    EXPECT_EQ(json["span_bytes_max"].GetUint64(), 1u << 20);
    EXPECT_EQ(json["ring_bytes_max"].GetUint64(), 13u << 20);
}

TEST(Plain, plan_follows_the_two_laws) {
    const auto json = parsed(run_spanring(
        {"plan", "--json", "--rate", "1M", "--delay", "5ms", "--bytes", "4", "--retention", "7d"}));
    EXPECT_DOUBLE_EQ(json["in_flight"].GetDouble(), 5000);
    EXPECT_DOUBLE_EQ(json["disk_bytes"].GetDouble(), 1e6 * 4 * 7 * 86400);
}

TEST(Plain, status_of_nothing_is_a_valid_answer) {
    const Folder folder;
    const Variables where{{"SPANRING_DIR", folder / "rings"}, {"SPANRING_DB", folder / "db"}};
    const Outcome outcome = run_spanring({"status", "--json", "--check"}, where);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const auto json = parsed(outcome);
    EXPECT_TRUE(json["consumer"]["pid"].IsNull());
    EXPECT_EQ(json["producers"].Size(), 0u);
    EXPECT_EQ(json["lost_total"].GetUint64(), 0u);
    EXPECT_EQ(json["directory"].GetString(), folder / "rings");
    EXPECT_THAT(run_spanring({"status"}, where).out, HasSubstr("not running"));
}

TEST(Plain, what_a_consumer_had_to_do_is_in_status_and_doctor) {
    const Folder folder;
    const Variables where{{"SPANRING_DIR", folder / "rings"}, {"SPANRING_DB", folder / "db"}};
    auto directory = shm::RingDirectory::open(folder / "rings", shm::RingDirectory::Create::kYes);
    ASSERT_TRUE(directory.ok());
    auto control = directory->map_control(Mapping::Access::kReadWrite);
    ASSERT_TRUE(control.ok());
    control->add_counts({.spans_closed_early = 1, .ends_late = 2, .spans_unstorable = 3});
    control->add_counts({.spans_closed_early = 10, .segments_quarantined = 4});
    std::ofstream(folder / "rings/7-bad.seg.quarantined") << std::string(8192, 'x');
    const auto json = parsed(run_spanring({"status", "--json"}, where));
    EXPECT_EQ(json["consumer"]["spans_closed_early"].GetUint64(), 11u);
    EXPECT_EQ(json["consumer"]["ends_late"].GetUint64(), 2u);
    EXPECT_EQ(json["consumer"]["spans_unstorable"].GetUint64(), 3u);
    EXPECT_EQ(json["consumer"]["segments_quarantined"].GetUint64(), 4u);
    EXPECT_EQ(json["quarantined_files"].GetUint64(), 1u);
    EXPECT_GE(json["quarantined_bytes"].GetUint64(), 8192u);
    EXPECT_THAT(run_spanring({"status"}, where).out, HasSubstr("11 spans early"));
    const std::string doctor = run_spanring({"doctor"}, where).out;
    EXPECT_THAT(doctor, HasSubstr("1 rings were put aside"));
    EXPECT_THAT(doctor, HasSubstr("11 were stored as unfinished"));
}

TEST(Plain, status_check_exits_1_on_recorded_losses) {
    const Folder folder;
    make_database(folder / "db", 5);
    const Variables where{{"SPANRING_DIR", folder / "rings"}, {"SPANRING_DB", folder / "db"}};
    EXPECT_EQ(run_spanring({"status"}, where).exit_code, 0);
    const Outcome outcome = run_spanring({"status", "--check", "--json"}, where);
    EXPECT_EQ(outcome.exit_code, 1);
    const auto json = parsed(outcome);
    EXPECT_EQ(json["lost_total"].GetUint64(), 5u);
    ASSERT_EQ(json["recorded_losses"].Size(), 1u);
    EXPECT_EQ(json["recorded_losses"][0]["pid"].GetUint(), 4711u);
    EXPECT_EQ(json["spans"].GetUint64(), 7u);
}

TEST(Plain, doctor_says_what_is_missing_and_what_to_do) {
    const Folder folder;
    const Variables where{{"SPANRING_DIR", folder / "rings"}, {"SPANRING_DB", folder / "db"}};
    const Outcome outcome = run_spanring({"doctor"}, where);
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_THAT(outcome.out, HasSubstr("fail  ring directory"));
    EXPECT_THAT(outcome.out, HasSubstr("spanring up"));
    const auto json = parsed(run_spanring({"doctor", "--json"}, where));
    EXPECT_FALSE(json["healthy"].GetBool());
    EXPECT_GT(json["checks"].Size(), 2u);
}

TEST(Plain, doctor_notices_a_process_that_looks_elsewhere) {
    const Folder folder;
    mkdir((folder / "rings").c_str(), 0700);
    const Outcome outcome = run_spanring({"doctor", "4194303"}, {{"SPANRING_DIR", folder / "rings"},
                                                                 {"SPANRING_DB", folder / "db"}});
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_THAT(outcome.out, HasSubstr("no process 4194303"));
}

TEST(Plain, top_shows_the_laws_without_anything_running) {
    const Folder folder;
    const Variables where{{"SPANRING_DIR", folder / "rings"}, {"SPANRING_DB", folder / "db"}};
    const auto json = parsed(run_spanring({"top", "--once", "--json", "--interval", "0.1"}, where));
    EXPECT_TRUE(json["consumer_pid"].IsNull());
    EXPECT_EQ(json["tracepoints_per_second"].GetDouble(), 0);
    const Outcome text = run_spanring({"top", "--once", "--interval", "0.1"}, where);
    EXPECT_THAT(text.out, HasSubstr("no consumer runs"));
    EXPECT_EQ(text.out.find('\x1b'), std::string::npos);
}

TEST(Plain, flags_win_over_the_environment) {
    const Folder folder;
    make_database(folder / "db");
    const Outcome outcome =
        run_spanring({"services", "--db", folder / "db"}, {{"SPANRING_DB", folder / "other"}});
    EXPECT_EQ(outcome.out, "cart\nfrontend\npayment\n");
}

}  // namespace
}  // namespace spanring::tools
