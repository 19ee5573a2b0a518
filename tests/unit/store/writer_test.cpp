// The writer under pressure: full disks and failing calls, rotation, retirement, two writers, a
// reader in another process.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "spanring/base/os.hpp"
#include "support.hpp"

namespace spanring::store::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// Runs `body` in a child; returns its exit status.
int in_child(const std::function<int()>& body) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(body());
    int status = -1;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(Writer, a_second_one_is_refused_with_the_pid_of_the_first) {
    TempDir dir;
    auto writer = open_writer(dir.db());
    auto second = Writer::open(dir.db(), {});
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, ErrorCode::kBusy);
    EXPECT_THAT(second.error().message, HasSubstr("process " + std::to_string(::getpid())));
    EXPECT_EQ(rebuild_catalogue(dir.db()).error().code, ErrorCode::kBusy);
    const std::string expected =
        "trace database " + dir.db() + " is being written by process " + std::to_string(::getpid());
    EXPECT_EQ(in_child([&] {
                  TempDir elsewhere;  // the list of locks held here was inherited; the lock was not
                  auto third = Writer::open(dir.db(), {});
                  return !third.ok() && third.error().code == ErrorCode::kBusy ? 0 : 1;
              }),
              0);
    EXPECT_TRUE(commit_numbered(*writer, 1).ok()) << "the refusal took nothing from the first";
    writer.reset();
    EXPECT_NE(open_writer(dir.db()), nullptr) << "free again";
}

TEST(Writer, removes_what_a_killed_compaction_left_although_none_follows) {
    TempDir dir;
    open_writer(dir.db()).reset();
    write_file(dir.db() + "/w-0000000000000001.log.compacting", "half a window");
    open_writer(dir.db());
    EXPECT_THAT(files_in(dir.db(), ".compacting"), IsEmpty());
}

TEST(Writer, who_waits_for_the_catalogue_may_stop_waiting) {
    TempDir dir;
    auto writer = open_writer(dir.db());
    ASSERT_TRUE(commit_numbered(*writer, 1).ok());
    auto indexed = writer->index_now(std::chrono::milliseconds(0));
    ASSERT_FALSE(indexed.ok());
    EXPECT_EQ(indexed.error().code, ErrorCode::kTimeout);
    EXPECT_TRUE(writer->index_now().ok()) << "it goes on by itself";
    EXPECT_TRUE(writer->index_now(std::chrono::hours(1)).ok());
}

TEST(Writer, a_folder_that_may_not_be_read_is_named_with_the_cause) {
    TempDir dir;
    open_writer(dir.db()).reset();
    ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
    ASSERT_EQ(::chmod(dir.db().c_str(), 0), 0);
    const int status = in_child([&] {
        if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) return 9;
        auto reader = Reader::open(dir.db());
        auto writer = Writer::open(dir.db(), {});
        const std::string expected = "trace database " + dir.db() + ": Permission denied";
        if (reader.ok() || reader.error().code != ErrorCode::kPermission) return 1;
        if (reader.error().message != expected) return 2;
        return writer.ok() || writer.error().message != expected ? 3 : 0;
    });
    ::chmod(dir.db().c_str(), 0700);
    EXPECT_EQ(status, 0);
}

TEST(Writer, a_path_that_is_no_folder_is_refused) {
    TempDir dir;
    write_file(dir.db(), "a file");
    EXPECT_FALSE(Writer::open(dir.db(), {}).ok());
    EXPECT_THAT(Reader::open(dir.db()).error().message, HasSubstr(dir.db()));
}

TEST(Writer, begins_a_window_when_the_last_is_long_enough) {
    TempDir dir;
    auto writer = open_writer(dir.db(), {.window_bytes_max = 1000});
    for (std::uint64_t i = 1; i <= 20; ++i) ASSERT_TRUE(commit_numbered(*writer, i).ok());
    const auto windows = files_in(dir.db(), ".log");
    EXPECT_GT(windows.size(), 3u);
    for (const std::string& window : windows) EXPECT_LT(read_file(window).size(), 2000u);
    EXPECT_EQ(visible_names(dir.db()), numbered(20));
    ASSERT_TRUE(writer->index_now().ok());
    EXPECT_EQ(visible_names(dir.db()), numbered(20));
}

TEST(Writer, begins_a_window_when_the_last_is_old_enough) {
    TempDir dir;
    std::atomic<std::int64_t> now{1};
    auto writer = open_writer(dir.db(), {.window_age_max = std::chrono::seconds(60),
                                         .now_ns = [&] { return now.load(); }});
    ASSERT_TRUE(commit_numbered(*writer, 1).ok());
    EXPECT_FALSE(writer->wants_snapshot());
    now += 60'000'000'000;
    EXPECT_TRUE(writer->wants_snapshot());
    ASSERT_TRUE(commit_numbered(*writer, 2).ok());
    EXPECT_FALSE(writer->wants_snapshot());
    EXPECT_THAT(files_in(dir.db(), ".log"), SizeIs(2));
}

TEST(Retirement, by_age_removes_what_is_wholly_too_old_and_never_the_newest) {
    TempDir dir;
    std::atomic<std::int64_t> now{1};
    WriterOptions options{.window_age_max = std::chrono::seconds(1),
                          .retention = std::chrono::seconds(10),
                          .now_ns = [&] { return now.load(); }};
    auto writer = open_writer(dir.db(), options);
    for (std::uint64_t i = 1; i <= 3; ++i) {
        ASSERT_TRUE(commit_numbered(*writer, i).ok());
        now += 2'000'000'000;
    }
    ASSERT_TRUE(writer->index_now().ok());
    auto reader = open_reader(dir.db());
    EXPECT_EQ(visible_names(*reader), numbered(3));
    EXPECT_EQ(*writer->retire(), 0u);
    now = 13'000'000'000;
    EXPECT_EQ(*writer->retire(), 1u) << "its successor began at 2 s";
    EXPECT_EQ(visible_names(*reader), numbered(3)) << "a reader that is in it reads on";
    ASSERT_TRUE(reader->refresh().ok());
    EXPECT_THAT(visible_names(*reader), ::testing::ElementsAre("f2", "f3"));
    now = 1'000'000'000'000;
    EXPECT_EQ(*writer->retire(), 1u);
    EXPECT_EQ(*writer->retire(), 0u);
    ASSERT_TRUE(writer->index_now().ok());
    ASSERT_TRUE(reader->refresh().ok());
    EXPECT_THAT(visible_names(*reader), ::testing::ElementsAre("f3"));
    EXPECT_EQ(reader->operations(std::nullopt)->size(), 1u) << "forgotten by the catalogue too";
    EXPECT_THAT(reader->warnings(), IsEmpty());
    EXPECT_EQ(reader->stats()->windows, 1u);
}

TEST(Retirement, by_bytes_keeps_the_database_within_its_limit) {
    TempDir dir;
    auto writer = open_writer(dir.db(), {.window_bytes_max = 1000, .database_bytes_max = 5000});
    for (std::uint64_t i = 1; i <= 60; ++i) {
        ASSERT_TRUE(commit_numbered(*writer, i).ok());
        if (i % 10 == 0) {
            ASSERT_TRUE(writer->index_now().ok());
        }
    }
    ASSERT_TRUE(writer->retire().ok());
    std::uint64_t bytes = 0;
    for (const auto& window : files_in(dir.db(), ".log")) bytes += read_file(window).size();
    EXPECT_LE(bytes, 5000u);
    const auto names = visible_names(dir.db());
    ASSERT_FALSE(names.empty());
    EXPECT_EQ(names.back(), "f60");
    EXPECT_EQ(numbered(60)[60 - names.size()], names.front()) << "no gap behind the oldest";
}

TEST(Retirement, happens_by_itself_at_new_windows) {
    TempDir dir;
    auto writer = open_writer(dir.db(), {.window_bytes_max = 1000, .database_bytes_max = 1500});
    for (std::uint64_t i = 1; i <= 40; ++i) ASSERT_TRUE(commit_numbered(*writer, i).ok());
    ASSERT_TRUE(writer->index_now().ok());
    EXPECT_LE(files_in(dir.db(), ".log").size(), 3u);
}

/// As a writer leaves it that is killed between the creation of a window and its first frame.
void add_empty_window(const std::string& db) {
    write_file(db + "/w-0000000000000099.log", "");
}

TEST(Retirement, never_removes_the_only_snapshot_for_a_window_that_is_still_empty) {
    TempDir dir;
    const WriterOptions tiny{.window_bytes_max = 100, .database_bytes_max = 1};
    ASSERT_EQ(in_child([&] {
                  auto writer = open_writer(dir.db(), tiny);
                  if (!commit_numbered(*writer, 1).ok() || !commit_numbered(*writer, 2).ok())
                      return 1;
                  add_empty_window(dir.db());
                  if (!writer->retire().ok()) return 2;
                  ::kill(::getpid(), SIGKILL);
                  return 3;
              }),
              128 + SIGKILL);
    EXPECT_THAT(files_in(dir.db(), ".log"), SizeIs(2)) << "the last snapshot and the empty one";
    auto writer = open_writer(dir.db(), tiny);
    ASSERT_THAT(writer->recovered().instances, SizeIs(1));
    EXPECT_EQ(writer->recovered().instances[0].pages[0].bytes, 2u);
    EXPECT_EQ(visible_names(dir.db()).back(), "f2");
}

TEST(Retirement, a_full_disk_does_not_cost_the_only_snapshot_either) {
    TempDir dir;
    auto writer = open_writer(dir.db(), {.window_bytes_max = 100});
    ASSERT_TRUE(commit_numbered(*writer, 1).ok());
    ASSERT_TRUE(writer->index_now().ok());
    add_empty_window(dir.db());
    os::inject_fault(os::Call::kWrite, 1, ENOSPC);
    EXPECT_FALSE(commit_numbered(*writer, 2).ok());
    os::clear_fault();
    EXPECT_EQ(visible_names(dir.db()), numbered(1));
    writer.reset();
    EXPECT_THAT(open_writer(dir.db())->recovered().instances, SizeIs(1));
}

/// Commits ten frames, one call failing on the way; returns the names of what was committed.
std::vector<std::string> commit_through(Writer& writer, int* failures) {
    std::vector<std::string> committed;
    for (std::uint64_t i = 1; i <= 10; ++i)
        for (int attempt = 0; attempt < 3; ++attempt) {
            auto number = commit_numbered(writer, i);
            if (number.ok()) {
                committed.push_back("f" + std::to_string(i));
                break;
            }
            ++*failures;
            EXPECT_TRUE(writer.wants_snapshot());
        }
    return committed;
}

struct Fault {
    os::Call call;
    int errno_value;
    Durability durability;
};
class Faults : public ::testing::TestWithParam<Fault> {};

TEST_P(Faults, at_the_nth_call_lose_nothing_committed_and_show_nothing_else) {
    const Fault fault = GetParam();
    for (std::uint64_t nth = 1;; ++nth) {
        TempDir dir;
        WriterOptions options{.window_bytes_max = 1200, .durability = fault.durability};
        int failures = 0;
        auto writer = open_writer(dir.db(), options);
        os::inject_fault(fault.call, nth, fault.errno_value);
        const auto committed = commit_through(*writer, &failures);
        const std::uint64_t injected = os::clear_fault();
        EXPECT_THAT(committed, SizeIs(10)) << "heals by itself, n = " << nth;
        if (injected == 0) {
            EXPECT_EQ(failures, 0);
        }
        // Out of space the oldest window is given up; then the rest must be without a gap.
        const auto check_names = [&](const std::vector<std::string>& names) {
            if (fault.errno_value != ENOSPC) {
                EXPECT_EQ(names, committed) << "n = " << nth;
            }
            ASSERT_LE(names.size(), committed.size());
            EXPECT_TRUE(std::equal(names.rbegin(), names.rend(), committed.rbegin()))
                << "n = " << nth;
        };
        check_names(visible_names(dir.db()));
        EXPECT_TRUE(writer->index_now().ok());
        check_names(visible_names(dir.db()));
        writer.reset();
        writer = open_writer(dir.db(), options);
        EXPECT_EQ(writer->recovered().instances.at(0).pages.at(0).bytes, 10u);
        check_names(visible_names(dir.db()));
        if (injected == 0) break;
        ASSERT_LT(nth, 200u);
    }
}

INSTANTIATE_TEST_SUITE_P(Writer, Faults,
                         ::testing::Values(Fault{os::Call::kWrite, EIO, Durability::kInterval},
                                           Fault{os::Call::kWrite, ENOSPC, Durability::kInterval},
                                           Fault{os::Call::kSync, EIO, Durability::kCommit},
                                           Fault{os::Call::kOpen, EMFILE, Durability::kInterval},
                                           Fault{os::Call::kRead, EIO, Durability::kInterval},
                                           Fault{os::Call::kStat, EIO, Durability::kInterval},
                                           Fault{os::Call::kUnlink, EIO, Durability::kInterval}));

Result<std::uint64_t> commit_void(Writer& writer) {
    Frame frame = frame_of({{NativeRow{.ordinal = 99, .name = "void"}}, {}, false});
    return writer.commit(std::move(frame), {1, 1000, 1000});
}

TEST(Writer, a_failed_commit_that_cannot_be_cut_off_is_void) {
    TempDir dir;
    WriterOptions options{.durability = Durability::kCommit};
    options.compaction.enabled = false;
    auto writer = open_writer(dir.db(), options);
    ASSERT_TRUE(commit_numbered(*writer, 1).ok());
    ASSERT_TRUE(writer->index_now().ok());  // from here on no other thread makes calls
    const std::string first = files_in(dir.db(), ".log").front();
    const std::size_t before = read_file(first).size();
    // The frame is written, its fdatasync fails, and so does the cut: it stays there whole.
    os::inject_lasting_fault(os::Call::kAny, 2, EIO);
    EXPECT_FALSE(commit_void(*writer).ok());
    EXPECT_EQ(os::clear_fault(), 2u);
    ASSERT_GT(read_file(first).size(), before);
    ASSERT_EQ(*commit_numbered(*writer, 2), 2u);
    EXPECT_EQ(visible_names(dir.db()), numbered(2));
    ASSERT_TRUE(writer->index_now().ok());
    EXPECT_EQ(visible_names(dir.db()), numbered(2));
}

TEST(Writer, a_failed_commit_that_was_there_whole_does_not_give_its_number_to_the_next) {
    TempDir dir;
    auto writer = open_writer(dir.db(), {.durability = Durability::kCommit});
    ASSERT_TRUE(commit_numbered(*writer, 1).ok());
    ASSERT_TRUE(writer->index_now().ok());  // from here on no other thread makes calls
    os::inject_fault(os::Call::kSync, 1, EIO);
    EXPECT_FALSE(commit_void(*writer).ok());
    EXPECT_EQ(os::clear_fault(), 1u);
    ASSERT_EQ(*commit_numbered(*writer, 2), 3u);
    // A follower that saw the frame before it was cut off goes on behind it.
    std::vector<std::string> names;
    const auto seen = open_reader(dir.db())->visit_after(2, [&](const codec::Span& span) {
        names.push_back(span.name);
        return true;
    });
    ASSERT_TRUE(seen.ok());
    EXPECT_EQ(*seen, 3u);
    EXPECT_THAT(names, ::testing::ElementsAre("f2"));
    EXPECT_EQ(visible_names(dir.db()), numbered(2));
}

TEST(Writer, a_number_that_a_reader_may_have_seen_is_not_used_after_a_death) {
    TempDir dir;
    ASSERT_EQ(in_child([&] {
                  auto writer = open_writer(dir.db(), {.durability = Durability::kCommit});
                  if (!commit_numbered(*writer, 1).ok() || !writer->index_now().ok()) return 1;
                  os::inject_fault(os::Call::kSync, 1, EIO);
                  // There whole, under the number 2, until it was cut off.
                  return commit_void(*writer).ok() ? 2 : 0;
              }),
              0);
    EXPECT_EQ(open_reader(dir.db())->newest_frame(), 1u);
    auto writer = open_writer(dir.db());
    const auto next = commit_numbered(*writer, 2);
    ASSERT_TRUE(next.ok());
    EXPECT_GT(*next, 2u);
    EXPECT_EQ(visible_names(dir.db()), numbered(2));
}

TEST(Writer, numbers_go_on_after_a_power_loss_took_the_last_frames) {
    TempDir dir;
    auto writer = open_writer(dir.db());
    std::uint64_t seen = 0;
    std::size_t synced = 0;
    for (std::uint64_t i = 1; i <= 10; ++i) {
        auto number = commit_numbered(*writer, i);
        ASSERT_TRUE(number.ok());
        seen = *number;
        if (i == 3) synced = read_file(files_in(dir.db(), ".log").front()).size();
    }
    ASSERT_TRUE(writer->index_now().ok());  // the catalogue is ahead of what will be left
    writer.reset();
    const std::string log = files_in(dir.db(), ".log").front();
    ASSERT_EQ(::truncate(log.c_str(), static_cast<off_t>(synced + 40)), 0);
    EXPECT_EQ(open_reader(dir.db())->newest_frame(), 3u) << "what is torn is seen by nobody";
    writer = open_writer(dir.db());
    const auto next = commit_numbered(*writer, 4);
    ASSERT_TRUE(next.ok());
    EXPECT_GT(*next, seen);
    EXPECT_EQ(visible_names(dir.db()), numbered(4));
    // Not even of a database whose only window is gone.
    writer.reset();
    for (const auto& file : files_in(dir.db(), ".log")) ASSERT_EQ(::unlink(file.c_str()), 0);
    writer = open_writer(dir.db());
    const auto first = commit_numbered(*writer, 1);
    ASSERT_TRUE(first.ok());
    EXPECT_GT(*first, seen);
}

TEST(Writer, a_short_write_is_undone_and_the_next_commit_heals) {
    TempDir dir;
    const int status = in_child([&] {
        ::signal(SIGXFSZ, SIG_IGN);
        auto writer = open_writer(dir.db());
        if (!commit_numbered(*writer, 1).ok()) return 1;
        if (!writer->index_now().ok()) return 2;
        const std::size_t length = read_file(files_in(dir.db(), ".log").front()).size();
        // The kernel itself writes only the first 40 bytes of the next frame.
        const rlimit limit{length + 40, RLIM_INFINITY};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 3;
        auto refused = commit_numbered(*writer, 2);
        if (refused.ok() || refused.error().code != ErrorCode::kNoSpace) return 4;
        if (read_file(files_in(dir.db(), ".log").front()).size() != length) return 5;
        const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
        ::setrlimit(RLIMIT_FSIZE, &none);
        return commit_numbered(*writer, 2).ok() ? 0 : 6;
    });
    EXPECT_EQ(status, 0);
    EXPECT_EQ(visible_names(dir.db()), numbered(2));
}

TEST(Writer, a_full_disk_costs_the_oldest_window_not_the_newest) {
    TempDir dir;
    auto writer = open_writer(dir.db(), {.window_bytes_max = 1000});
    for (std::uint64_t i = 1; i <= 12; ++i) ASSERT_TRUE(commit_numbered(*writer, i).ok());
    const auto before = files_in(dir.db(), ".log");
    ASSERT_GT(before.size(), 2u);
    os::inject_fault(os::Call::kWrite, 1, ENOSPC);
    const auto refused = commit_numbered(*writer, 13);
    os::clear_fault();
    EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
    EXPECT_NE(::access(before.front().c_str(), F_OK), 0);
    EXPECT_EQ(::access(before[1].c_str(), F_OK), 0);
    ASSERT_TRUE(commit_numbered(*writer, 13).ok());
    EXPECT_EQ(visible_names(dir.db()).back(), "f13");
}

TEST(Writer, killed_at_any_moment_leaves_every_commit_that_it_announced) {
    for (int round = 0; round < 8; ++round) {
        TempDir dir;
        int announced[2];
        ASSERT_EQ(::pipe(announced), 0);
        const pid_t pid = ::fork();
        if (pid == 0) {
            auto writer = open_writer(dir.db(), {.window_bytes_max = 4000});
            for (std::uint64_t i = 1;; ++i) {
                if (!commit_numbered(*writer, i).ok()) ::_exit(1);
                if (::write(announced[1], &i, sizeof i) != sizeof i) ::_exit(2);
            }
        }
        ::close(announced[1]);
        std::uint64_t last = 0;
        for (int i = 0; i < 20 + round * 13; ++i)
            ASSERT_EQ(::read(announced[0], &last, sizeof last), ssize_t{sizeof last});
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        for (std::uint64_t more = 0; ::read(announced[0], &more, sizeof more) > 0;) last = more;
        ::close(announced[0]);
        auto writer = open_writer(dir.db());
        const auto names = visible_names(dir.db());
        // One more may have been committed before it could be announced.
        ASSERT_GE(names.size(), last);
        ASSERT_LE(names.size(), last + 1);
        EXPECT_EQ(names, numbered(names.size()));
        EXPECT_EQ(writer->recovered().instances.at(0).pages.at(0).bytes, names.size());
    }
}

TEST(Reader, in_another_process_sees_a_growing_prefix_while_the_writer_works) {
    TempDir dir;
    open_writer(dir.db()).reset();
    constexpr std::uint64_t kFrames = 3000;
    const pid_t reader_pid = ::fork();
    if (reader_pid == 0) {
        auto opened = Reader::open(dir.db());
        if (!opened) ::_exit(1);
        Reader& reader = **opened;
        std::uint64_t after = 0;
        std::uint64_t expected = 0;
        while (expected < kFrames) {
            if (!reader.refresh()) ::_exit(2);
            bool good = true;
            const std::uint64_t before = after;
            auto seen = reader.visit_after(before, [&](const codec::Span& span) {
                good = good && span.name == "f" + std::to_string(++expected);
                return good;
            });
            if (!good || !seen || *seen < before) ::_exit(3);
            after = *seen;
            if (!reader.warnings().empty()) ::_exit(4);
        }
        if (visible_names(reader) != numbered(kFrames)) ::_exit(5);
        ::_exit(0);
    }
    auto writer = open_writer(dir.db(), {.window_bytes_max = 100'000});
    for (std::uint64_t i = 1; i <= kFrames; ++i) ASSERT_TRUE(commit_numbered(*writer, i).ok());
    int status = -1;
    ::waitpid(reader_pid, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace spanring::store::testing
