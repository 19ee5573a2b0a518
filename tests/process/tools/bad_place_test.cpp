// Directories and files that are not as they should be: of another user, unreadable, read-only,
// damaged. One clear line, exit code 2; what is good is served all the same.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "cli_run.hpp"
#include "made_database.hpp"

namespace spanring::tools {
namespace {

using testing::HasSubstr;

/// Folders that nobody may pass through, but not write to.
class BadPlace : public testing::Test {
protected:
    void SetUp() override { ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0); }
    std::string made(const std::string& name, mode_t mode) const {
        const std::string path = folder_ / name;
        EXPECT_EQ(mkdir(path.c_str(), 0700), 0);
        EXPECT_EQ(chmod(path.c_str(), mode), 0);
        return path;
    }
    Folder folder_;
};

TEST_F(BadPlace, a_ring_directory_of_another_user) {
    if (geteuid() != 0) GTEST_SKIP() << "NOT TESTED: only root can give a directory away";
    const std::string rings = made("rings", 0700);
    ASSERT_EQ(chown(rings.c_str(), 65534, 65534), 0);
    for (const char* command : {"status", "up", "top"}) {
        expect_one_line(run_spanring({command, "--dir", rings, "--db", folder_ / "db"}),
                        rings + " belongs to uid 65534, neither to us (uid 0) nor to root");
    }
    EXPECT_TRUE(std::filesystem::is_empty(rings)) << "nothing was written";
}

TEST_F(BadPlace, a_ring_directory_that_cannot_be_read) {
    if (!can_be_nobody()) GTEST_SKIP() << "NOT TESTED: needs root, and a program nobody may run";
    const std::string rings = made("rings", 0700);
    const std::string home = made("home", 0777);
    for (const char* command : {"status", "up"}) {
        const Outcome outcome =
            run_spanring_as_nobody({command, "--dir", rings, "--db", home + "/db"});
        expect_one_line(outcome, rings);
        EXPECT_THAT(outcome.err, HasSubstr("Permission denied"));
    }
}

TEST_F(BadPlace, a_database_that_cannot_be_written) {
    if (!can_be_nobody()) GTEST_SKIP() << "NOT TESTED: needs root, and a program nobody may run";
    const std::string home = made("home", 0777);
    make_database(folder_ / "db");
    ASSERT_EQ(chmod((folder_ / "db").c_str(), 0755), 0);
    const Outcome up = run_spanring_as_nobody(
        {"up", "--dir", home + "/rings", "--db", folder_ / "db", "--log-file", home + "/log"});
    expect_one_line(up, folder_ / "db");
    EXPECT_THAT(up.err, HasSubstr("Permission denied"));
}

TEST_F(BadPlace, a_database_that_cannot_be_read) {
    if (!can_be_nobody()) GTEST_SKIP() << "NOT TESTED: needs root, and a program nobody may run";
    const std::string db = folder_ / "db";
    make_database(db);
    ASSERT_EQ(chmod(db.c_str(), 0700), 0);
    for (const char* command : {"traces", "export", "services", "fsck"}) {
        const Outcome outcome = run_spanring_as_nobody({command, "--db", db});
        expect_one_line(outcome, db);
        EXPECT_THAT(outcome.err, HasSubstr("Permission denied"));
    }
}

TEST_F(BadPlace, a_frame_that_is_damaged_costs_its_own_spans_and_is_named) {
    const std::string window = folder_ / "db/w-0000000000000001.log";
    make_database(folder_ / "db");
    const Outcome before = run_spanring({"export", "--db", folder_ / "db"});
    {
        std::fstream log(window, std::ios::in | std::ios::out | std::ios::binary);
        log.seekp(200);
        log << "\xff\xff\xff\xff";
    }
    const Outcome after = run_spanring({"export", "--db", folder_ / "db"});
    EXPECT_EQ(after.exit_code, 0) << after.err;
    EXPECT_THAT(after.err, HasSubstr("skipped: " + window));
    const auto lines = [](const std::string& text) {
        return std::count(text.begin(), text.end(), '\n');
    };
    EXPECT_EQ(lines(before.out), 7);
    EXPECT_EQ(lines(after.out), 3) << "the second frame's";
}

TEST_F(BadPlace, a_database_cut_off_in_a_frame_is_gone_on_with) {
    const Folder rings("/dev/shm");
    const std::string window = folder_ / "db/w-0000000000000001.log";
    make_database(folder_ / "db");
    std::filesystem::resize_file(window, std::filesystem::file_size(window) - 7);
    const std::vector<std::string> places{"--dir", rings / "rings", "--db", folder_ / "db"};
    const auto spanring = [&](std::vector<std::string> words) {
        words.insert(words.begin() + 1, places.begin(), places.end());
        return run_spanring(std::move(words));
    };
    ASSERT_EQ(spanring({"up"}).exit_code, 0);
    EXPECT_EQ(spanring({"run", "--", "true"}).exit_code, 0);
    EXPECT_EQ(spanring({"down"}).exit_code, 0);
    const Outcome exported = spanring({"export"});
    EXPECT_EQ(std::count(exported.out.begin(), exported.out.end(), '\n'), 4 + 1)
        << "the whole frame's, and the new one: " << exported.out;
    EXPECT_EQ(spanring({"fsck"}).exit_code, 0);
}

TEST_F(BadPlace, a_segment_that_is_none_is_put_aside_while_others_are_served) {
    const Folder rings("/dev/shm");
    const std::string directory = rings / "rings";
    const Variables variables{{"SPANRING_DIR", directory}, {"SPANRING_DB", folder_ / "db"}};
    ASSERT_EQ(run_spanring({"up"}, variables).exit_code, 0);
    std::ofstream(directory + "/77-bad.seg") << std::string(9000, 'x');
    EXPECT_EQ(run_spanring({"run", "--", "true"}, variables).exit_code, 0);
    const std::string aside = directory + "/77-bad.seg.quarantined";
    for (int i = 0; i < 1000 && !std::filesystem::exists(aside); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_TRUE(std::filesystem::exists(aside));
    EXPECT_EQ(run_spanring({"status", "--check"}, variables).exit_code, 0);
    const std::string uid = std::to_string(geteuid());
    for (const char* command : {"status", "doctor"}) {
        EXPECT_THAT(run_spanring({command}, variables).out,
                    HasSubstr("77-bad.seg of uid " + uid + " (pid 77): 77-bad.seg: magic is"));
    }
    EXPECT_STREQ(
        parsed(run_spanring({"status", "--json"}, variables))["notices"][0]["kind"].GetString(),
        "quarantined");
    expect_one_line(run_spanring({"inspect", aside}, variables), aside);
    EXPECT_EQ(run_spanring({"down"}, variables).exit_code, 0);
    const Outcome exported = run_spanring({"export"}, variables);
    EXPECT_EQ(std::count(exported.out.begin(), exported.out.end(), '\n'), 1);
}

}  // namespace
}  // namespace spanring::tools
