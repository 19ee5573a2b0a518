// The reserve: given up once, made again when there is room, in nobody's way meanwhile.
#include "reserve.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "spanring/base/os.hpp"
#include "support.hpp"

namespace spanring::store::testing {
namespace {

constexpr std::uint64_t kDatabaseBytes = 16u << 20;
constexpr std::uint64_t kReserveBytes = kDatabaseBytes / 64;

/// Bytes of the file; nothing: there is none.
std::uint64_t reserve_bytes(const std::string& db) {
    struct stat found {};
    return ::stat((db + "/reserve").c_str(), &found) == 0
               ? static_cast<std::uint64_t>(found.st_size)
               : 0;
}

TEST(Reserve, is_a_share_of_the_database_and_goes_with_its_writer) {
    TempDir dir;
    auto folder = Folder::open_or_create(dir.db());
    ASSERT_TRUE(folder.ok());
    {
        Reserve reserve(*folder);
        reserve.keep_for(1 << 20);
        EXPECT_EQ(reserve_bytes(dir.db()), 0u) << "a small database needs none";
        reserve.keep_for(kDatabaseBytes);
        EXPECT_EQ(reserve_bytes(dir.db()), kReserveBytes);
        EXPECT_TRUE(reserve.may_commit());
        reserve.keep_for(std::uint64_t{1} << 40);
        EXPECT_EQ(reserve_bytes(dir.db()), 8u << 20) << "bounded";
    }
    EXPECT_EQ(reserve_bytes(dir.db()), 0u);
}

TEST(Reserve, given_up_allows_one_commit_and_then_none_until_there_is_room_for_it) {
    TempDir dir;
    auto folder = Folder::open_or_create(dir.db());
    ASSERT_TRUE(folder.ok());
    Reserve reserve(*folder);
    EXPECT_FALSE(reserve.give_up()) << "there is none yet";
    EXPECT_TRUE(reserve.may_commit());
    reserve.keep_for(kDatabaseBytes);
    EXPECT_TRUE(reserve.give_up());
    EXPECT_EQ(reserve_bytes(dir.db()), 0u);
    os::inject_lasting_fault(os::Call::kAllocate, 1, ENOSPC);
    EXPECT_TRUE(reserve.may_commit()) << "the last snapshot";
    for (int i = 0; i < 3; ++i) {
        EXPECT_FALSE(reserve.may_commit());
        ::usleep(110'000);
    }
    reserve.keep_for(kDatabaseBytes);
    EXPECT_EQ(reserve_bytes(dir.db()), 0u);
    EXPECT_FALSE(reserve.give_up());
    os::clear_fault();
    // It looks every 100 ms.
    while (!reserve.may_commit()) ::usleep(1000);
    EXPECT_EQ(reserve_bytes(dir.db()), kReserveBytes);
    EXPECT_TRUE(reserve.may_commit());
    EXPECT_TRUE(reserve.give_up()) << "the next full disk finds it again";
}

}  // namespace
}  // namespace spanring::store::testing
