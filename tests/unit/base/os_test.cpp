#include "spanring/base/os.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "spanring/base/mapping.hpp"
#include "spanring/base/unique_fd.hpp"

namespace spanring {
namespace {

class OsTest : public ::testing::Test {
protected:
    ~OsTest() override {
        os::clear_fault();
        ::unlink(path_);
    }
    char path_[32] = "/tmp/spanring-os-XXXXXX";
    UniqueFd file_{::mkstemp(path_)};
};

TEST_F(OsTest, only_the_nth_call_of_the_kind_fails_and_with_that_error) {
    struct stat info;
    os::inject_fault(os::Call::kStat, 2, EIO);
    EXPECT_EQ(os::truncate(file_.get(), 10), 0) << "another kind";
    EXPECT_EQ(os::stat_fd(file_.get(), &info), 0);
    errno = 0;
    EXPECT_EQ(os::stat_fd(file_.get(), &info), -1);
    EXPECT_EQ(errno, EIO);
    EXPECT_EQ(os::stat_fd(file_.get(), &info), 0) << "once";
    EXPECT_EQ(os::clear_fault(), 1U);
}

TEST_F(OsTest, a_lasting_fault_fails_every_call_until_it_is_cleared) {
    os::inject_lasting_fault(os::Call::kWrite, 2, ENOSPC);
    EXPECT_EQ(os::write(file_.get(), "abc", 3), 3);
    EXPECT_EQ(os::write(file_.get(), "abc", 3), -1);
    EXPECT_EQ(os::write_at(file_.get(), "abc", 3, 0), -1);
    EXPECT_EQ(os::clear_fault(), 2U);
    EXPECT_EQ(os::write(file_.get(), "abc", 3), 3);
}

TEST_F(OsTest, a_fault_of_a_name_fails_the_nth_open_of_it) {
    os::inject_open_fault("spanring-os-", 2, EMFILE);
    const auto opens = [](const char* path) {
        return UniqueFd(os::open_at(AT_FDCWD, path, O_RDONLY)).valid();
    };
    EXPECT_TRUE(opens("/"));
    EXPECT_TRUE(opens(path_));
    EXPECT_TRUE(opens("/")) << "another name";
    EXPECT_FALSE(opens(path_));
    EXPECT_TRUE(opens(path_)) << "once";
    EXPECT_EQ(os::clear_fault(), 1U);
}

TEST_F(OsTest, a_fault_of_any_kind_counts_all_calls) {
    os::inject_fault(os::Call::kAny, 3, EPERM);
    EXPECT_EQ(os::truncate(file_.get(), 1), 0);
    EXPECT_EQ(os::sync(file_.get()), 0);
    EXPECT_EQ(os::sync_data(file_.get()), -1);
    EXPECT_EQ(os::clear_fault(), 1U);
}

TEST_F(OsTest, a_fault_that_is_never_reached_says_so) {
    os::inject_fault(os::Call::kRename, 1, EIO);
    EXPECT_EQ(os::truncate(file_.get(), 1), 0);
    EXPECT_EQ(os::clear_fault(), 0U);
}

TEST_F(OsTest, a_short_transfer_is_half_of_one_and_nothing_to_other_calls) {
    os::inject_lasting_fault(os::Call::kAny, 1, os::kShortTransfer);
    EXPECT_EQ(os::write_at(file_.get(), "abcd", 4, 0), 2);
    char read[4];
    EXPECT_EQ(os::read_at(file_.get(), read, 4, 0), 2);
    EXPECT_EQ(os::truncate(file_.get(), 10), 0);
    EXPECT_EQ(os::clear_fault(), 3U);
}

TEST_F(OsTest, an_interrupted_call_is_made_again_where_that_is_harmless) {
    os::inject_fault(os::Call::kAny, 1, EINTR);
    EXPECT_EQ(os::write_at(file_.get(), "abcd", 4, 0), 4);
    EXPECT_EQ(os::clear_fault(), 1U);
    os::inject_fault(os::Call::kSync, 1, EINTR);
    EXPECT_EQ(os::sync(file_.get()), -1) << "what is on the disk is not known";
    EXPECT_EQ(os::clear_fault(), 1U);
}

TEST_F(OsTest, an_observer_is_told_what_succeeded) {
    static std::vector<os::Change::Kind> told;
    told.clear();
    os::observe([](const os::Change& change) { told.push_back(change.kind); });
    EXPECT_EQ(os::write(file_.get(), "ab", 2), 2);
    os::inject_fault(os::Call::kAny, 1, EIO);
    EXPECT_EQ(os::truncate(file_.get(), 1), -1);
    EXPECT_EQ(os::sync(file_.get()), 0);
    os::inject_fault(os::Call::kSync, 1, EIO);
    EXPECT_EQ(os::sync_data(file_.get()), -1);
    os::clear_fault();
    os::observe(nullptr);
    EXPECT_EQ(os::truncate(file_.get(), 1), 0);
    using Kind = os::Change::Kind;
    EXPECT_EQ(told, (std::vector{Kind::kWritten, Kind::kSyncBegun, Kind::kSynced, Kind::kSyncBegun,
                                 Kind::kSyncFailed}));
}

TEST_F(OsTest, allocate_reports_like_a_system_call) {
    errno = 0;
    EXPECT_EQ(os::allocate(file_.get(), 0, 0), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(os::allocate(file_.get(), 0, 4096), 0);
    struct stat info;
    ASSERT_EQ(os::stat_fd(file_.get(), &info), 0);
    EXPECT_EQ(info.st_size, 4096);
}

TEST_F(OsTest, a_link_never_replaces_and_a_rename_need_not) {
    const std::string other = std::string(path_) + ".other";
    ASSERT_EQ(os::link_at(AT_FDCWD, path_, AT_FDCWD, other.c_str()), 0);
    EXPECT_EQ(os::link_at(AT_FDCWD, path_, AT_FDCWD, other.c_str()), -1);
    EXPECT_EQ(errno, EEXIST);
    const UniqueFd third(os::open_at(AT_FDCWD, (other + "3").c_str(), O_CREAT | O_RDWR, 0600));
    ASSERT_TRUE(third.valid());
    constexpr unsigned kNoReplace = 1;  // RENAME_NOREPLACE
    EXPECT_EQ(os::rename_at(AT_FDCWD, (other + "3").c_str(), AT_FDCWD, other.c_str(), kNoReplace),
              -1);
    EXPECT_EQ(errno, EEXIST);
    EXPECT_EQ(os::rename_at(AT_FDCWD, (other + "3").c_str(), AT_FDCWD, other.c_str()), 0);
    EXPECT_EQ(os::unlink_at(AT_FDCWD, other.c_str()), 0);
}

TEST_F(OsTest, a_record_lock_shows_its_holder_to_other_processes) {
    pid_t holder = -2;
    ASSERT_EQ(os::record_lock_holder(file_.get(), &holder), 0);
    EXPECT_EQ(holder, 0);
    ASSERT_EQ(os::lock_record(file_.get()), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        pid_t seen = 0;
        const bool good = os::record_lock_holder(file_.get(), &seen) == 0 && seen == ::getppid() &&
                          os::lock_record(file_.get()) == -1;
        ::_exit(good ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(os::unlock_record(file_.get()), 0);
}

TEST_F(OsTest, random_bytes_fill_the_whole_buffer) {
    unsigned char first[512] = {};
    unsigned char second[512] = {};
    ASSERT_EQ(os::random_bytes(first, sizeof first), 0);
    ASSERT_EQ(os::random_bytes(second, sizeof second), 0);
    EXPECT_NE(std::memcmp(first, second, sizeof first), 0);
    EXPECT_NE(std::memcmp(first + 256, second + 256, 256), 0);
}

TEST_F(OsTest, mappings_of_one_file_share_memory_and_unmap_once) {
    ASSERT_EQ(os::truncate(file_.get(), 4096), 0);
    Result<Mapping> writer = Mapping::shared(file_.get(), 4096, Mapping::Access::kReadWrite);
    Result<Mapping> reader = Mapping::shared(file_.get(), 4096, Mapping::Access::kRead);
    ASSERT_TRUE(writer && reader);
    *writer->as<int>() = 42;
    EXPECT_EQ(*reader->as<int>(), 42);
    Mapping moved = *std::move(writer);
    EXPECT_FALSE(writer->valid());
    EXPECT_EQ(*moved.as<int>(), 42);
    moved = *std::move(reader);
    EXPECT_EQ(*moved.as<const int>(), 42);
}

TEST_F(OsTest, a_mapping_that_fails_is_an_error) {
    os::inject_lasting_fault(os::Call::kMap, 1, ENOMEM);
    EXPECT_EQ(Mapping::anonymous(4096).error().code, ErrorCode::kNoSpace);
    EXPECT_EQ(Mapping::shared(file_.get(), 4096, Mapping::Access::kRead).error().code,
              ErrorCode::kNoSpace);
    os::clear_fault();
    Result<Mapping> memory = Mapping::anonymous(4096);
    ASSERT_TRUE(memory);
    EXPECT_EQ(*memory->as<int>(), 0);
}

TEST(UniqueFd, closes_what_it_owns_and_only_that) {
    int raw = -1;
    {
        UniqueFd fd(::open("/dev/null", O_RDONLY));
        raw = fd.get();
        UniqueFd moved = std::move(fd);
        EXPECT_FALSE(fd.valid());
        EXPECT_EQ(moved.get(), raw);
    }
    EXPECT_EQ(::fcntl(raw, F_GETFD), -1);
    UniqueFd kept(::open("/dev/null", O_RDONLY));
    const int released = kept.release();
    kept.reset();
    EXPECT_NE(::fcntl(released, F_GETFD), -1);
    ::close(released);
}

}  // namespace
}  // namespace spanring
