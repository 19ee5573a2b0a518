// The model of the disk itself: it must not promise more than a disk does.
#include "disk.hpp"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "spanring/base/unique_fd.hpp"
#include "sqlite.hpp"
#include "sqlite_disk.hpp"
#include "support.hpp"

namespace spanring::testing {
namespace {

using store::testing::read_file;
using store::testing::TempDir;

class DiskTest : public ::testing::Test {
protected:
    [[nodiscard]] std::string lost(const PowerLoss& loss) {
        const std::string folder = dir_.path() + "/lost" + std::to_string(++made_);
        disk_.lose_power(loss, folder);
        return folder;
    }
    /// What the file may hold, over many power losses.
    [[nodiscard]] std::set<std::string> contents(const std::string& name, DataLoss data) {
        std::set<std::string> found;
        for (std::uint64_t seed = 1; seed <= 64; ++seed)
            found.insert(read_file(lost({data, NameLoss::kKept, seed}) + "/" + name));
        return found;
    }
    [[nodiscard]] UniqueFd file(const std::string& name) const {
        return UniqueFd(
            os::open_at(AT_FDCWD, (root_ + "/" + name).c_str(), O_RDWR | O_CREAT, 0644));
    }
    void sync_names() const {
        const UniqueFd folder(os::open_at(AT_FDCWD, root_.c_str(), O_RDONLY | O_DIRECTORY));
        ASSERT_EQ(os::sync(folder.get()), 0);
    }
    static std::string made(const std::string& root) {
        EXPECT_EQ(::mkdir(root.c_str(), 0700), 0);
        store::testing::write_file(root + "/old", "old");
        return root;
    }

    TempDir dir_;
    std::string root_ = made(dir_.path() + "/root");
    Disk disk_{root_};
    int made_{0};
};

TEST_F(DiskTest, what_was_there_is_durable) {
    EXPECT_EQ(read_file(lost({}) + "/old"), "old");
}

TEST_F(DiskTest, bytes_are_durable_when_the_file_is_synced_and_its_name_when_the_folder_is) {
    const UniqueFd fd = file("new");
    ASSERT_EQ(os::write(fd.get(), "ab", 2), 2);
    EXPECT_EQ(::access((lost({}) + "/new").c_str(), F_OK), -1);
    ASSERT_EQ(os::sync_data(fd.get()), 0);
    EXPECT_EQ(::access((lost({}) + "/new").c_str(), F_OK), -1);
    EXPECT_EQ(read_file(lost({DataLoss::kDropped, NameLoss::kKept, 0}) + "/new"), "ab");
    sync_names();
    ASSERT_EQ(os::write(fd.get(), "cd", 2), 2);
    EXPECT_EQ(read_file(lost({}) + "/new"), "ab");
    EXPECT_EQ(read_file(lost({DataLoss::kKept, NameLoss::kKept, 0}) + "/new"), "abcd");
}

TEST_F(DiskTest, a_torn_write_is_there_by_sectors) {
    const UniqueFd fd = file("old");
    const std::string long_one(1024, 'x');
    ASSERT_EQ(os::write_at(fd.get(), long_one.data(), 1024, 0), 1024);
    const auto found = contents("old", DataLoss::kTorn);
    const std::string half(512, 'x');
    EXPECT_EQ(found, (std::set<std::string>{"old", half, "old" + std::string(509, '\0') + half,
                                            long_one}));
    EXPECT_EQ(contents("old", DataLoss::kPrefix), (std::set<std::string>{"old", half, long_one}));
    EXPECT_EQ(contents("old", DataLoss::kZeros),
              (std::set<std::string>{"old" + std::string(1021, '\0')}));
    EXPECT_GT(contents("old", DataLoss::kGarbage).size(), 8u);
}

TEST_F(DiskTest, a_write_whose_sync_failed_is_never_promised_again) {
    const UniqueFd fd = file("old");
    ASSERT_EQ(os::write_at(fd.get(), "new", 3, 0), 3);
    os::inject_fault(os::Call::kSync, 1, EIO);
    ASSERT_EQ(os::sync_data(fd.get()), -1);
    os::clear_fault();
    ASSERT_EQ(os::sync_data(fd.get()), 0);
    EXPECT_EQ(read_file(lost({}) + "/old"), "old");
    ASSERT_EQ(os::truncate(fd.get(), 1), 0);
    EXPECT_EQ(read_file(lost({}) + "/old"), "old");
    ASSERT_EQ(os::sync_data(fd.get()), 0);
    EXPECT_EQ(contents("old", DataLoss::kTorn), (std::set<std::string>{"o", "n"}));
}

TEST_F(DiskTest, a_rename_is_there_or_not) {
    const UniqueFd fd = file("new");
    ASSERT_EQ(os::write(fd.get(), "new", 3), 3);
    ASSERT_EQ(os::sync(fd.get()), 0);
    sync_names();
    ASSERT_EQ(os::rename_at(AT_FDCWD, (root_ + "/new").c_str(), AT_FDCWD, (root_ + "/old").c_str()),
              0);
    std::set<std::pair<std::string, bool>> found;
    for (std::uint64_t seed = 0; seed < 32; ++seed) {
        const std::string folder = lost({DataLoss::kDropped, NameLoss::kAnyOf, seed});
        found.emplace(read_file(folder + "/old"), ::access((folder + "/new").c_str(), F_OK) == 0);
    }
    EXPECT_EQ(found, (std::set<std::pair<std::string, bool>>{{"old", true}, {"new", false}}));
}

TEST_F(DiskTest, a_transaction_of_sqlite_is_there_once_its_journal_is_synced) {
    const SqliteDisk sqlite;
    const auto rows = [&](const std::string& folder) -> std::int64_t {
        auto database = store::Database::open(folder + "/db", store::Database::Mode::kWrite);
        auto count = database ? database->prepare("SELECT count(*) FROM t") : database.error();
        if (!count) return -1;
        return count->step() ? count->integer(0) : -2;
    };
    const auto worst = [&] {
        std::int64_t least = rows(root_);
        for (std::uint64_t seed = 1; seed <= 10; ++seed)
            for (const PowerLoss& loss : every_loss(seed))
                least = std::min(least, rows(lost(loss)));
        return least;
    };
    auto database = store::Database::open(root_ + "/db", store::Database::Mode::kCreate);
    ASSERT_TRUE(database
                    ->run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                          "CREATE TABLE t(x); INSERT INTO t VALUES(1)")
                    .ok());
    sync_names();
    EXPECT_EQ(worst(), 1);
    ASSERT_TRUE(database->run("INSERT INTO t VALUES(2)").ok());
    EXPECT_EQ(worst(), 2);
    ASSERT_TRUE(database->run("PRAGMA synchronous=OFF; INSERT INTO t VALUES(3)").ok());
    EXPECT_EQ(worst(), 2);
}

}  // namespace
}  // namespace spanring::testing
