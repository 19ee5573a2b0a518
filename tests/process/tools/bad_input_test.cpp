// Whatever is wrong: one line that says what, where and what to do, and exit code 2.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "cli_run.hpp"
#include "made_database.hpp"

namespace spanring::tools {
namespace {

using testing::HasSubstr;

TEST(BadInput, no_database) {
    const Folder folder;
    for (const char* command : {"services", "operations", "traces", "export", "fsck"}) {
        expect_one_line(run_spanring({command, "--db", folder / "absent"}), folder / "absent");
    }
}

TEST(BadInput, no_such_trace) {
    const Folder folder;
    make_database(folder / "db");
    expect_one_line(
        run_spanring({"trace", "4bf92f3577b34da6a3ce929d0e0e4736", "--db", folder / "db"}),
        "no trace 4bf92f3577b34da6a3ce929d0e0e4736");
}

TEST(BadInput, values_that_are_none) {
    const Folder folder;
    make_database(folder / "db");
    const std::string db = folder / "db";
    expect_one_line(run_spanring({"trace", "hello", "--db", db}), "'hello' is no trace id");
    expect_one_line(run_spanring({"traces", "--min", "fast", "--db", db}), "--min: 'fast'");
    expect_one_line(run_spanring({"traces", "--since", "soon", "--db", db}), "--since: 'soon'");
    expect_one_line(run_spanring({"traces", "-a", "x", "--db", db}), "--attribute");
    expect_one_line(run_spanring({"traces", "-a", "x\n\x1b[31my", "--db", db}), "--attribute");
    expect_one_line(run_spanring({"traces", "--limit", "0", "--db", db}), "--limit");
    expect_one_line(run_spanring({"export", "--format", "xml", "--db", db}), "--format");
    expect_one_line(run_spanring({"plan", "--rate", "many", "--db", db}), "--rate: 'many'");
    expect_one_line(run_spanring({"doctor", "x"}), "PID");
    expect_one_line(run_spanring({"frobnicate"}), "spanring --help");
}

TEST(BadInput, an_output_that_cannot_be_written) {
    const Folder folder;
    make_database(folder / "db");
    expect_one_line(
        run_spanring({"export", "--db", folder / "db", "-o", folder / "absent/spans.jsonl"}),
        folder / "absent/spans.jsonl");
}

TEST(BadInput, inspect_of_what_is_no_file_of_ours) {
    const Folder folder;
    expect_one_line(run_spanring({"inspect", folder / "absent"}), folder / "absent");
    std::ofstream(folder / "empty.log").flush();
    expect_one_line(run_spanring({"inspect", folder / "empty.log"}), "neither a segment nor");
    std::ofstream(folder / "text.log") << "hello, this is no window of a trace database\n";
    expect_one_line(run_spanring({"inspect", folder / "text.log"}), "offset 0");
    std::ofstream(folder / "short.seg") << "SPRGSEG1 and then nothing";
    expect_one_line(run_spanring({"inspect", folder / "short.seg"}), "short.seg");
}

TEST(BadInput, inspect_of_a_truncated_window_shows_what_is_whole) {
    const Folder folder;
    make_database(folder / "db");
    const std::string window = folder / "db/w-0000000000000001.log";
    std::filesystem::resize_file(window, std::filesystem::file_size(window) - 7);
    const Outcome outcome = run_spanring({"inspect", window});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.out, HasSubstr("frame 1"));
    EXPECT_THAT(outcome.err, HasSubstr("offset"));
}

TEST(BadInput, a_configuration_that_is_none) {
    const Folder folder;
    std::ofstream(folder / "bad.toml") << "directory = \n";
    expect_one_line(run_spanring({"status", "--config", folder / "bad.toml"}),
                    folder / "bad.toml:1");
    expect_one_line(run_spanring({"status", "--config", folder / "absent.toml"}),
                    folder / "absent.toml");
}

TEST(BadInput, a_ring_directory_that_is_a_file) {
    const Folder folder;
    std::ofstream(folder / "file") << "x";
    expect_one_line(run_spanring({"status", "--dir", folder / "file", "--db", folder / "db"}),
                    folder / "file");
}

TEST(BadInput, fsck_of_a_damaged_database_exits_1) {
    const Folder folder;
    make_database(folder / "db");
    {
        std::fstream window(folder / "db/w-0000000000000001.log",
                            std::ios::in | std::ios::out | std::ios::binary);
        window.seekp(200);
        window.put('\xff').put('\xff').put('\xff').put('\xff');
    }
    const Outcome outcome = run_spanring({"fsck", "--db", folder / "db"});
    EXPECT_EQ(outcome.exit_code, 1) << outcome.out << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("damaged"));
}

}  // namespace
}  // namespace spanring::tools
