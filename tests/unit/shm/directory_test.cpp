// The ring directory and its two fixed files.

#include "spanring/shm/directory.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "ring_fixture.hpp"
#include "spanring/base/os.hpp"

namespace spanring::shm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DirectoryTest : public ::testing::Test {
protected:
    static Error open_error(const std::string& path) {
        Result<RingDirectory> opened = RingDirectory::open(path, RingDirectory::Create::kNo);
        EXPECT_FALSE(opened) << path;
        return opened ? Error{} : std::move(opened).error();
    }
    [[nodiscard]] std::string in(const std::string& name) const {
        return scratch.path() + "/" + name;
    }
    /// Writes a file of this many bytes that begins with `magic`.
    void plant(const std::string& name, std::uint64_t magic, std::size_t bytes) const {
        std::string content(bytes, '\0');
        std::memcpy(content.data(), &magic, std::min(bytes, sizeof magic));
        std::ofstream(in(name)) << content;
    }

    ScratchDirectory scratch;
};

TEST_F(DirectoryTest, the_environment_names_the_default_directory) {
    ::setenv("SPANRING_DIR", "/somewhere/else", 1);
    EXPECT_EQ(default_ring_directory(), "/somewhere/else");
    ::setenv("SPANRING_DIR", "", 1);
    const std::string fallback = default_ring_directory();
    ::unsetenv("SPANRING_DIR");
    EXPECT_EQ(default_ring_directory(), fallback) << "empty means not set";
    EXPECT_TRUE(fallback == "/run/spanring" ||
                fallback == "/dev/shm/spanring-" + std::to_string(::geteuid()))
        << fallback;
}

TEST_F(DirectoryTest, a_missing_directory_is_made_for_its_owner_alone) {
    EXPECT_EQ(open_error(in("ring")).code, ErrorCode::kNotFound);
    ASSERT_TRUE(RingDirectory::open(in("ring"), RingDirectory::Create::kYes));
    struct stat info;
    ASSERT_EQ(::stat(in("ring").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0700U);
    EXPECT_TRUE(RingDirectory::open(in("ring"), RingDirectory::Create::kYes)) << "exists by now";
}

TEST_F(DirectoryTest, links_and_files_are_no_directories) {
    std::filesystem::create_symlink(scratch.path(), in("link"));
    plant("file", 0, 1);
    for (const char* name : {"link", "file"}) {
        const Error error = open_error(in(name));
        EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
        EXPECT_THAT(error.message, HasSubstr(in(name)));
    }
}

TEST_F(DirectoryTest, a_foreign_owner_is_refused_in_one_clear_line) {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can make a directory of another user";
    ASSERT_EQ(::chown(scratch.path().c_str(), 12345, 12345), 0);
    const Error error = open_error(scratch.path());
    EXPECT_EQ(error.code, ErrorCode::kPermission);
    EXPECT_THAT(error.message, HasSubstr("belongs to uid 12345"));
    EXPECT_EQ(error.message.find('\n'), std::string::npos);
}

TEST_F(DirectoryTest, a_directory_that_everybody_may_rearrange_is_refused) {
    ASSERT_EQ(::chmod(scratch.path().c_str(), 0777), 0);
    EXPECT_EQ(open_error(scratch.path()).code, ErrorCode::kPermission);
    ASSERT_EQ(::chmod(scratch.path().c_str(), 01777), 0);
    EXPECT_TRUE(RingDirectory::open(scratch.path(), RingDirectory::Create::kNo));
}

TEST_F(DirectoryTest, the_control_page_is_made_disabled_and_never_replaced) {
    const RingDirectory directory = scratch.open();
    Result<ControlPage> first = directory.map_control(Mapping::Access::kRead);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_FALSE(first->enabled());
    EXPECT_NE(first->host_key(), Key128{});
    Result<ControlPage> second = directory.map_control(Mapping::Access::kReadWrite);
    ASSERT_TRUE(second);
    EXPECT_EQ(second->host_key(), first->host_key());
    second->set_enabled(true);
    EXPECT_TRUE(first->enabled()) << "both map one file";
    EXPECT_THAT(scratch.files(), ElementsAre("control")) << "no temporary is left";
}

TEST_F(DirectoryTest, many_who_come_first_agree_on_one_control_page) {
    constexpr int kThreads = 8;
    std::vector<Key128> keys(kThreads);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
            Result<ControlPage> page = scratch.open().map_control(Mapping::Access::kRead);
            if (page) keys[i] = page->host_key();
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_NE(keys[0], Key128{});
    EXPECT_THAT(keys, ::testing::Each(keys[0]));
    EXPECT_THAT(scratch.files(), ElementsAre("control"));
}

TEST_F(DirectoryTest, a_control_page_that_is_none_is_refused) {
    const RingDirectory directory = scratch.open();
    const auto refused = [&] {
        Result<ControlPage> page = directory.map_control(Mapping::Access::kRead);
        return page ? Error{} : std::move(page).error();
    };
    plant("control", SPANRING_CONTROL_MAGIC, 100);
    EXPECT_THAT(refused().message, HasSubstr("100 bytes, fewer than 384"));
    plant("control", 0x1234, 384);
    EXPECT_EQ(refused().code, ErrorCode::kCorrupt);
    EXPECT_THAT(refused().message, HasSubstr("0000000000001234"));
    plant("control", SPANRING_CONTROL_MAGIC, 384);
    EXPECT_EQ(refused().code, ErrorCode::kVersion);
}

TEST_F(DirectoryTest, a_fifo_or_link_in_place_of_the_control_page_neither_blocks_nor_is_followed) {
    const RingDirectory directory = scratch.open();
    ASSERT_EQ(::mkfifo(in("control").c_str(), 0600), 0);
    EXPECT_FALSE(directory.map_control(Mapping::Access::kRead));
    ASSERT_EQ(::unlink(in("control").c_str()), 0);
    std::filesystem::create_symlink("/etc/passwd", in("control"));
    EXPECT_FALSE(directory.map_control(Mapping::Access::kRead));
}

TEST_F(DirectoryTest, settings_are_clamped_to_what_is_possible) {
    const RingDirectory directory = scratch.open();
    ControlPage page = *directory.map_control(Mapping::Access::kReadWrite);
    const std::uint32_t epoch = page.flags() >> SPANRING_FLAG_EPOCH_SHIFT;
    ControlSettings wild;
    wild.ring_bytes_max = ~std::uint64_t{0};
    wild.page_bytes = 3000;
    wild.policy_allowed_mask = 0;
    wild.block_ns_max = ~std::uint64_t{0};
    page.set_settings(wild);
    const ControlSettings seen = page.settings();
    EXPECT_EQ(seen.ring_bytes_max, kRingBytesLimit);
    EXPECT_EQ(seen.page_bytes, 0U) << "the producer's default";
    EXPECT_EQ(seen.policy_allowed_mask, 1U << SPANRING_POLICY_DROP) << "drop is always allowed";
    EXPECT_EQ(seen.block_ns_max, 60'000'000'000U);
    EXPECT_EQ(page.flags() >> SPANRING_FLAG_EPOCH_SHIFT, epoch + 1);
}

TEST_F(DirectoryTest, flags_do_not_disturb_each_other) {
    ControlPage page = *scratch.open().map_control(Mapping::Access::kReadWrite);
    page.set_enabled(true);
    page.set_waiting(true);
    page.set_settings({});
    page.set_waiting(false);
    EXPECT_TRUE(page.enabled());
    EXPECT_EQ(page.flags() & SPANRING_FLAG_WAITING, 0U);
    page.set_enabled(false);
    EXPECT_EQ(page.flags(), 1U << SPANRING_FLAG_EPOCH_SHIFT);
}

TEST_F(DirectoryTest, a_clock_line_stays_unless_its_writer_died_over_it) {
    {
        ControlPage page = *scratch.open().map_control(Mapping::Access::kReadWrite);
        EXPECT_FALSE(page.clock_line());
        page.set_clock_line({.ticks = 9, .mono_ns = 8});
        page.set_clock_line({1, -2, 3, 4, 5, -6});
    }
    ControlPage page = *scratch.open().map_control(Mapping::Access::kReadWrite);
    ASSERT_TRUE(page.clock_line());
    EXPECT_EQ(*page.clock_line(), (ClockLine{1, -2, 3, 4, 5, -6}));
    spanring_control* const raw = page.release();
    ++raw->clock_sequence;
    ControlPage cut = *scratch.open().map_control(Mapping::Access::kReadWrite);
    EXPECT_FALSE(cut.clock_line());
    cut.set_clock_line({1, 2, 3, 4, 5, 6});
    EXPECT_TRUE(cut.clock_line());
    munmap(raw, sizeof *raw);
}

TEST_F(DirectoryTest, one_consumer_at_a_time_and_its_pid_is_known) {
    const RingDirectory directory = scratch.open();
    EXPECT_EQ(*directory.consumer_pid(), 0);
    {
        Result<ConsumerLock> lock = directory.lock_consumer();
        ASSERT_TRUE(lock) << lock.error().message;
        EXPECT_EQ(*directory.consumer_pid(), ::getpid());
        Result<ConsumerLock> second = directory.lock_consumer();
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, ErrorCode::kBusy);
        EXPECT_THAT(second.error().message, HasSubstr("pid " + std::to_string(::getpid())));
        EXPECT_EQ(*directory.consumer_pid(), ::getpid()) << "asking has not given the lock away";
    }
    EXPECT_EQ(*directory.consumer_pid(), 0);
    EXPECT_TRUE(directory.lock_consumer());
}

TEST_F(DirectoryTest, a_killed_consumer_gives_its_lock_back) {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        Result<ConsumerLock> lock = scratch.open().lock_consumer();
        const char answer = lock ? 'y' : 'n';
        (void)!::write(ready[1], &answer, 1);
        for (;;) ::pause();
    }
    char answer = 0;
    ASSERT_EQ(::read(ready[0], &answer, 1), 1);
    EXPECT_EQ(answer, 'y');
    const RingDirectory directory = scratch.open();
    EXPECT_EQ(*directory.consumer_pid(), child);
    Result<ConsumerLock> refused = directory.lock_consumer();
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("pid " + std::to_string(child)));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_EQ(*directory.consumer_pid(), 0);
    EXPECT_TRUE(directory.lock_consumer());
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_F(DirectoryTest, segments_are_listed_and_their_memory_is_summed) {
    const RingDirectory directory = scratch.open();
    EXPECT_EQ(*directory.segment_bytes(), 0U);
    std::ofstream(in("2-b.seg")) << std::string(8192, 'x');
    std::ofstream(in("1-a.seg")) << std::string(4096, 'x');
    std::ofstream(in("3-c.seg.quarantined")) << "x";
    std::ofstream(in(".new-4-d.seg")) << "x";
    EXPECT_THAT(*directory.segments(), ElementsAre("1-a.seg", "2-b.seg"));
    EXPECT_EQ(*directory.segment_bytes(), 12288U);
    std::filesystem::resize_file(in("1-a.seg"), 1U << 30);
    EXPECT_EQ(*directory.segment_bytes(), 12288U) << "a hole takes no memory";
}

TEST_F(DirectoryTest, quarantined_files_are_kept_up_to_a_limit_those_of_the_living_longest) {
    const RingDirectory directory = scratch.open();
    int told[2];
    ASSERT_EQ(::pipe(told), 0);
    std::ofstream(in("00.seg.quarantined")) << "x";
    const pid_t maker = ::fork();
    if (maker == 0) {
        const int fd = ::open(in("00.seg.quarantined").c_str(), O_RDWR);
        const char done = os::lock_record(fd) == 0 ? 'y' : 'n';
        if (::write(told[1], &done, 1) != 1) ::_exit(1);
        for (;;) ::pause();
    }
    char locked = 'n';
    ASSERT_EQ(::read(told[0], &locked, 1), 1);
    ASSERT_EQ(locked, 'y');
    for (std::size_t i = 1; i <= kQuarantinedFilesMax + 1; ++i) {
        const std::string number = (i < 10 ? "0" : "") + std::to_string(i);
        std::ofstream(in(number + ".seg.quarantined")) << "x";
    }
    std::ofstream(in("1-a.seg")) << "x";
    EXPECT_EQ(directory.limit_quarantined(), 2U);
    const auto left = directory.quarantined();
    ASSERT_TRUE(left);
    ASSERT_EQ(left->size(), kQuarantinedFilesMax);
    EXPECT_EQ(left->front().name, "00.seg.quarantined") << "older, but its maker lives";
    EXPECT_TRUE(left->front().maker_lives);
    EXPECT_EQ((*left)[1].name, "03.seg.quarantined");
    EXPECT_FALSE((*left)[1].maker_lives);
    EXPECT_EQ(directory.limit_quarantined(), 0U);
    EXPECT_THAT(*directory.segments(), ElementsAre("1-a.seg"));
    ::kill(maker, SIGKILL);
    ::waitpid(maker, nullptr, 0);
    for (const int end : told) ::close(end);
}

TEST_F(DirectoryTest, memory_may_be_reserved_below_the_cap_or_while_a_consumer_runs) {
    const RingDirectory directory = scratch.open();
    std::ofstream(in("1-a.seg")) << std::string(8192, 'x');
    EXPECT_TRUE(directory.may_reserve(4096, 12288));
    EXPECT_FALSE(directory.may_reserve(4097, 12288));
    EXPECT_FALSE(directory.may_reserve(~std::uint64_t{0}, 12288));
    const Result<ConsumerLock> lock = directory.lock_consumer();
    ASSERT_TRUE(lock);
    EXPECT_TRUE(directory.may_reserve(1U << 30, 12288));
}

TEST_F(DirectoryTest, only_old_leftovers_are_swept) {
    const RingDirectory directory = scratch.open();
    for (const char* name : {".new-old", ".new-fresh", "1-a.seg"}) plant(name, 0, 8);
    for (const char* name : {".new-old", "1-a.seg"}) {
        const auto long_ago =
            std::filesystem::file_time_type::clock::now() - std::chrono::minutes(5);
        std::filesystem::last_write_time(in(name), long_ago);
    }
    directory.remove_leftovers();
    EXPECT_THAT(scratch.files(), ::testing::UnorderedElementsAre(".new-fresh", "1-a.seg"));
}

TEST_F(DirectoryTest, each_call_that_fails_is_an_error_and_leaves_no_half_made_file) {
    std::uint64_t failed = 0;
    for (std::uint64_t n = 1;; ++n) {
        const RingDirectory directory = scratch.open();
        os::inject_fault(os::Call::kAny, n, EIO);
        const bool control = directory.map_control(Mapping::Access::kReadWrite).ok();
        const bool bell = directory.map_doorbell().ok();
        const std::uint64_t hits = os::clear_fault();
        for (const std::string& file : scratch.files()) {
            // Only the removal itself can fail to remove; the sweep comes for that one.
            if (file.rfind(".new-", 0) == 0) std::filesystem::remove(in(file));
        }
        if (hits == 0) {
            EXPECT_TRUE(control && bell);
            break;
        }
        ++failed;
        EXPECT_TRUE(scratch.open().map_control(Mapping::Access::kRead)) << "after fault " << n;
        std::filesystem::remove(in("control"));
        std::filesystem::remove(in("doorbell"));
    }
    EXPECT_GT(failed, 10U);
}

}  // namespace
}  // namespace spanring::shm
