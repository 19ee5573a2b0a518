// How a segment comes into being, or does not.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "ring_fixture.hpp"
#include "spanring/base/os.hpp"
#include "spanring/shm/process_identity.hpp"

namespace spanring::shm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using SegmentCreateTest = RingTest;

TEST_F(SegmentCreateTest, the_file_is_named_by_pid_and_instance_and_private_to_owner_and_group) {
    ::umask(077);
    open_writer();
    ::umask(022);
    const std::string name = writer.file_name();
    EXPECT_THAT(scratch.files(), ElementsAre(name));
    EXPECT_EQ(name.rfind(std::to_string(::getpid()) + "-", 0), 0U);
    EXPECT_EQ(name.size(), std::to_string(::getpid()).size() + 1 + 32 + 4);
    struct stat info;
    ASSERT_EQ(::stat((scratch.path() + "/" + name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0660U) << "whatever the umask";
    EXPECT_LT(info.st_blocks * 512, 128 * 1024) << "only what is declared takes memory";
    EXPECT_GT(info.st_size, info.st_blocks * 512) << "the rest of the length is a hole";
}

TEST_F(SegmentCreateTest, the_reader_sees_the_identity_that_the_writer_gave) {
    SegmentOptions options = small_segment();
    options.process_name = "shop";
    options.clock_kind = SPANRING_CLOCK_TSC;
    options.policy = SPANRING_POLICY_BLOCK;
    options.parent.bytes.fill(7);
    options.host_key.fill(8);
    options.boot_id.fill(9);
    const std::byte resource[3] = {std::byte{1}, std::byte{2}, std::byte{3}};
    options.resource = resource;
    open_writer(options);
    SegmentReader reader = attach(SegmentReader::Mode::kReadOnly);
    const SegmentIdentity& who = reader.identity();
    EXPECT_EQ(who.instance, writer.instance());
    EXPECT_EQ(who.span_key, writer.span_key());
    EXPECT_EQ(who.host_key, options.host_key);
    EXPECT_EQ(who.boot_id, options.boot_id);
    EXPECT_EQ(who.parent, options.parent);
    EXPECT_EQ(who.pid, static_cast<std::uint32_t>(::getpid()));
    EXPECT_EQ(who.uid, ::geteuid());
    EXPECT_EQ(who.process_name, "shop");
    EXPECT_EQ(who.clock_kind, SPANRING_CLOCK_TSC);
    EXPECT_EQ(who.policy, SPANRING_POLICY_BLOCK);
    EXPECT_EQ(who.pages_max, 8U);
    EXPECT_EQ(who.page_bytes, 1024U);
    EXPECT_GT(who.created_realtime_ns, 1'600'000'000'000'000'000U);
    ProcessStat self;
    ASSERT_TRUE(read_process_stat(0, &self));
    EXPECT_EQ(who.pid_start_ticks, self.start_ticks);
    EXPECT_THAT(*reader.resource(), ElementsAre(std::byte{1}, std::byte{2}, std::byte{3}));
}

TEST_F(SegmentCreateTest, two_segments_never_share_instance_or_key) {
    open_writer();
    SegmentWriter other{};
    ASSERT_TRUE(other.open(directory, small_segment()));
    EXPECT_NE(other.instance(), writer.instance());
    EXPECT_NE(other.span_key(), writer.span_key());
    other.destroy();
}

TEST_F(SegmentCreateTest, an_overlong_process_name_is_cut_and_terminated) {
    SegmentOptions options = small_segment();
    const std::string name(200, 'n');
    options.process_name = name;
    open_writer(options);
    EXPECT_EQ(attach().identity().process_name, std::string(63, 'n'));
}

TEST_F(SegmentCreateTest, impossible_options_are_refused) {
    const auto refused = [&](auto change) {
        SegmentOptions options = small_segment();
        change(options);
        const Result<void> opened = writer.open(directory, options);
        return !opened && opened.error().code == ErrorCode::kInvalidArgument;
    };
    EXPECT_TRUE(refused([](SegmentOptions& o) { o.page_bytes = 3000; }));
    EXPECT_TRUE(refused([](SegmentOptions& o) { o.page_bytes = 512; }));
    EXPECT_TRUE(refused([](SegmentOptions& o) { o.ring_bytes_max = 100; }));
    EXPECT_TRUE(refused([](SegmentOptions& o) { o.slots_max = 70000; }));
    EXPECT_TRUE(refused([](SegmentOptions& o) { o.strings_max = 0; }));
    const std::vector<std::byte> huge(kResourceBytesMax + 1);
    EXPECT_TRUE(refused([&](SegmentOptions& o) { o.resource = huge; }));
    EXPECT_FALSE(writer.is_open());
    EXPECT_THAT(scratch.files(), IsEmpty());
}

TEST_F(SegmentCreateTest, each_call_that_fails_is_an_error_and_leaves_nothing_behind) {
    std::uint64_t failed = 0;
    for (std::uint64_t n = 1;; ++n) {
        os::inject_fault(os::Call::kAny, n, ENOSPC);
        const bool opened = writer.open(directory, small_segment()).ok();
        const std::uint64_t hits = os::clear_fault();
        if (hits == 0) {
            EXPECT_TRUE(opened);
            break;
        }
        ++failed;
        if (opened) {
            // Only what it can do without: its own start time, the sum when there is no consumer.
            EXPECT_EQ(attach().identity().instance, writer.instance());
            std::filesystem::remove(scratch.path() + "/" + writer.file_name());
            writer.destroy();
        }
        EXPECT_FALSE(writer.is_open());
        EXPECT_THAT(scratch.files(), IsEmpty()) << "after fault " << n;
    }
    EXPECT_GT(failed, 12U);
}

TEST_F(SegmentCreateTest, a_directory_at_its_cap_takes_no_segment_unless_a_consumer_runs) {
    SegmentOptions options = small_segment();
    options.directory_bytes_max = 1000;
    const Result<void> refused = writer.open(directory, options);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
    EXPECT_THAT(refused.error().message, HasSubstr("no consumer is running"));
    const Result<ConsumerLock> lock = directory.lock_consumer();
    ASSERT_TRUE(lock);
    EXPECT_TRUE(writer.open(directory, options));
}

TEST_F(SegmentCreateTest, growth_stops_at_the_directorys_cap) {
    SegmentOptions options = small_segment();
    options.ring_bytes_initial = 64 * 1024;
    options.ring_bytes_max = 1024 * 1024;
    options.directory_bytes_max = 150 * 1024;
    open_writer(options);
    EXPECT_EQ(writer.grow(), Growth::kNoSpace);
    EXPECT_EQ(writer.pages_declared(), 64U);
}

TEST_F(SegmentCreateTest, growth_that_finds_no_memory_fails_and_is_not_tried_at_once_again) {
    open_writer();
    os::inject_lasting_fault(os::Call::kAllocate, 1, ENOSPC);
    EXPECT_EQ(writer.grow(), Growth::kNoSpace);
    EXPECT_EQ(os::clear_fault(), 1U);
    os::inject_lasting_fault(os::Call::kAny, 1, ENOSPC);
    EXPECT_EQ(writer.grow(), Growth::kNoSpace);
    EXPECT_EQ(os::clear_fault(), 0U) << "a dropped tracepoint must stay cheap";
    EXPECT_EQ(writer.pages_declared(), 4U);
    Growth later = Growth::kNoSpace;
    while (later == Growth::kNoSpace) later = writer.grow();
    EXPECT_EQ(later, Growth::kGrown) << "heals by itself";
}

TEST_F(SegmentCreateTest, a_process_that_closed_our_descriptors_still_grows_and_harms_no_file) {
    open_writer();
    const std::string victim = scratch.path() + "/victim";
    const int fd = ::open(victim.c_str(), O_RDWR | O_CREAT, 0600);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::dup2(fd, writer.mapping().fd), writer.mapping().fd);
    EXPECT_EQ(writer.grow(), Growth::kGrown);
    EXPECT_EQ(std::filesystem::file_size(victim), 0U);
    writer.intern("still works");
    std::memset(writer.ring().pages, 1, 8192);
    ::close(fd);
}

TEST_F(SegmentCreateTest, a_wiped_writer_is_a_closed_one_and_destroys_no_descriptor) {
    SegmentWriter wiped{};
    std::memset(static_cast<void*>(&wiped), 0, sizeof wiped);
    EXPECT_FALSE(wiped.is_open());
    wiped.destroy();
    EXPECT_EQ(::fcntl(0, F_GETFD), ::fcntl(0, F_GETFD));
    struct stat info;
    EXPECT_EQ(::fstat(0, &info), 0) << "descriptor 0 is closed";
}

TEST_F(SegmentCreateTest, a_forked_child_makes_its_own_segment_and_takes_over_the_strings) {
    open_writer();
    const std::uint32_t id = writer.intern("checkout");
    const SegmentMapping inherited = writer.mapping();
    const InstanceId parent = writer.instance();
    const pid_t child = ::fork();
    if (child == 0) {
        std::memset(static_cast<void*>(&writer), 0, sizeof writer);  // as MADV_WIPEONFORK does
        SegmentOptions options = small_segment();
        options.parent = parent;
        bool good = writer.open(directory, options).ok() && writer.copy_strings_from(inherited) &&
                    writer.intern("checkout") == id && writer.instance() != parent;
        SegmentMapping released = inherited;
        release_mapping(released);
        ::_exit(good ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(directory.segments()->size(), 2U);
    EXPECT_TRUE(attach().producer_alive())
        << "the child's closing has not cost the parent its lock";
}

/// In a child with a mount namespace of its own: a tmpfs of 256 KiB. Exit codes: 0 good, 1 bad, 2
/// not allowed here.
int run_in_small_tmpfs(const std::string& path) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", path.c_str(), "tmpfs", 0, "size=256k,mode=700") != 0) {
        return 2;
    }
    const Result<RingDirectory> small = RingDirectory::open(path, RingDirectory::Create::kNo);
    if (!small) return 1;
    SegmentOptions options;
    options.ring_bytes_initial = 1 << 20;
    SegmentWriter writer{};
    const Result<void> refused = writer.open(*small, options);
    if (refused || refused.error().code != ErrorCode::kNoSpace) return 1;
    if (!small->segments()->empty()) return 1;
    options.ring_bytes_initial = 64 << 10;
    if (!writer.open(*small, options)) return 1;
    Growth growth = Growth::kGrown;
    while (growth == Growth::kGrown) growth = writer.grow();
    if (growth != Growth::kNoSpace) return 1;
    // Every declared page may be touched: no SIGBUS.
    std::memset(writer.ring().pages, 1, std::size_t{writer.pages_declared()} * writer.page_bytes());
    return 0;
}

TEST_F(SegmentCreateTest, a_full_tmpfs_is_an_error_and_never_a_signal) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(run_in_small_tmpfs(scratch.path()));
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    if (WEXITSTATUS(status) == 2) {
        GTEST_SKIP() << "NOT TESTED: a small tmpfs needs root and a mount namespace";
    }
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace spanring::shm
