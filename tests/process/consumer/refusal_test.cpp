// What the consumer does not serve: rings over a user's or a process's limit, and what broke the
// rules; and that the reason can be read, also after a restart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>
#include <utility>

#include "spanring/process.hpp"
#include "spanring/shm/notices.hpp"
#include "spanring/shm/segment_writer.hpp"
#include "spanring/spanring.hpp"
#include "world.hpp"

namespace spanring::consumer::testing {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using shm::Notice;
using ::testing::HasSubstr;

std::vector<Notice> notices_of(const World& world) {
    auto directory = shm::RingDirectory::open(world.directory, shm::RingDirectory::Create::kNo);
    EXPECT_TRUE(directory.ok());
    auto notices = shm::read_notices(*directory);
    EXPECT_TRUE(notices.ok());
    return notices ? *notices : std::vector<Notice>{};
}

/// Asks again and again until as many of this kind are there, or ten seconds are over.
std::vector<Notice> notices_when(const World& world, Notice::Kind kind, std::size_t count) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    for (;;) {
        auto notices = notices_of(world);
        std::erase_if(notices, [kind](const Notice& notice) { return notice.kind != kind; });
        if (notices.size() == count || std::chrono::steady_clock::now() >= end) return notices;
        std::this_thread::sleep_for(20ms);
    }
}

std::vector<std::string> configured(const World& world, const std::string& text) {
    const std::string file = world.database + ".toml";
    std::ofstream(file) << text;
    return {"--config", file};
}

/// A process that lives until it is killed; at the latest at the end of the test.
class Living {
public:
    explicit Living(pid_t pid) : pid_(pid) {}
    /// One that makes a span and asks whether it is stored.
    explicit Living(World& world) {
        int said[2];
        EXPECT_EQ(::pipe(said), 0);
        pid_ = world.producer([&said] {
            { Span span("alive"); }
            const char stored = flush(2s) ? 'y' : 'n';
            (void)!::write(said[1], &stored, 1);
            for (;;) ::pause();
        });
        char answer = 0;
        stored_ = ::read(said[0], &answer, 1) == 1 && answer == 'y';
        for (const int end : said) ::close(end);
    }
    ~Living() { kill(); }
    Living(const Living&) = delete;
    Living& operator=(const Living&) = delete;
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        (void)World::wait_for(std::exchange(pid_, -1));
    }
    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] bool stored() const { return stored_; }

private:
    pid_t pid_{-1};
    bool stored_{false};
};

TEST(Refusal, rings_over_a_users_limit_wait_and_are_shown_while_the_others_are_served) {
    World world;
    ASSERT_GT(world.up(configured(world, "[limits]\nuser_segments_max = 2\n")), 0);
    Living first(world);
    Living second(world);
    Living third(world);
    EXPECT_TRUE(first.stored() && second.stored());
    EXPECT_FALSE(third.stored());
    const auto refused = notices_when(world, Notice::Kind::kRefused, 1);
    ASSERT_EQ(refused.size(), 1u);
    EXPECT_EQ(refused[0].uid, ::geteuid());
    EXPECT_EQ(refused[0].pid, static_cast<std::uint32_t>(third.pid()));
    EXPECT_THAT(refused[0].reason, HasSubstr("user_segments_max = 2"));
    first.kill();
    const auto spans = world.spans_when([](const auto& s) { return s.size() == 3; });
    EXPECT_EQ(spans.size(), 3u) << "the third is served when there is room";
    EXPECT_TRUE(notices_when(world, Notice::Kind::kRefused, 0).empty());
    EXPECT_EQ(world.down(), 0);
}

TEST(Refusal, rings_over_a_users_bytes_wait) {
    World world;
    ASSERT_GT(world.up(configured(world, "[limits]\nuser_bytes_max = \"1536KiB\"\n")), 0);
    Living first(world);  // a ring begins with 1 MiB
    Living second(world);
    EXPECT_TRUE(first.stored());
    EXPECT_FALSE(second.stored());
    const auto refused = notices_when(world, Notice::Kind::kRefused, 1);
    ASSERT_EQ(refused.size(), 1u);
    EXPECT_THAT(refused[0].reason, HasSubstr("user_bytes_max = 1572864 bytes"));
    first.kill();
    EXPECT_EQ(world.spans_when([](const auto& s) { return s.size() == 2; }).size(), 2u);
}

TEST(Refusal, a_process_with_too_many_rings_has_the_first_ones_served) {
    World world;
    ASSERT_GT(world.up(configured(world, "[limits]\nprocess_segments_max = 2\n")), 0);
    Living hoarder(world.producer([&world] {
        auto directory = shm::RingDirectory::open(world.directory, shm::RingDirectory::Create::kNo);
        ASSERT_TRUE(directory.ok());
        static shm::SegmentWriter writers[5];
        shm::SegmentOptions options;
        options.ring_bytes_max = 64u << 10;
        options.page_bytes = 1024;
        for (auto& writer : writers) ASSERT_TRUE(writer.open(*directory, options).ok());
        for (;;) ::pause();
    }));
    const auto refused = notices_when(world, Notice::Kind::kRefused, 1);
    ASSERT_EQ(refused.size(), 1u);
    EXPECT_THAT(refused[0].reason, HasSubstr("process_segments_max = 2"));
    EXPECT_TRUE(Living(world).stored()) << "others are not disturbed";
    hoarder.kill();
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!world.files(".seg").empty() && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(20ms);
    }
    EXPECT_TRUE(world.files(".seg").empty()) << "all are reaped in the end";
}

TEST(Refusal, why_a_ring_was_put_aside_can_be_read_also_from_the_next_consumer) {
    World world;
    ASSERT_GT(world.up(), 0);
    std::ofstream(world.directory + "/4711-bad.seg") << std::string(9000, 'x');
    auto aside = notices_when(world, Notice::Kind::kQuarantined, 1);
    ASSERT_EQ(aside.size(), 1u);
    EXPECT_EQ(aside[0].file, "4711-bad.seg");
    EXPECT_EQ(aside[0].pid, 4711u);
    EXPECT_EQ(aside[0].uid, ::geteuid());
    EXPECT_THAT(aside[0].reason, HasSubstr("magic is 0x7878787878787878"));
    EXPECT_NE(aside[0].at_s, 0);
    world.kill_consumer();
    ASSERT_GT(world.up(), 0);
    EXPECT_EQ(notices_of(world), aside);
    EXPECT_EQ(world.down(), 0);
    EXPECT_EQ(notices_of(world), aside);
}

TEST(Refusal, a_database_that_turned_read_only_is_said_to_take_no_frames_until_it_does_again) {
    World world;
    ASSERT_GT(world.up(configured(world, "[store]\nwindow_bytes = \"64KiB\"\n")), 0);
    ASSERT_TRUE(Living(world).stored());
    ASSERT_TRUE(notices_of(world).empty());
    fs::permissions(world.database, fs::perms::owner_read | fs::perms::owner_exec);
    // The window that is open takes what fits.
    const Living writer(world.producer([] {
        for (int i = 0; i < 20'000; ++i) Span("filling").set("n", std::to_string(i * 2654435761u));
        for (;;) ::pause();
    }));
    const auto degraded = notices_when(world, Notice::Kind::kDegraded, 1);
    fs::permissions(world.database, fs::perms::owner_all);
    ASSERT_EQ(degraded.size(), 1u);
    EXPECT_THAT(degraded[0].reason, HasSubstr("Permission denied"));
    EXPECT_TRUE(notices_when(world, Notice::Kind::kDegraded, 0).empty());
    EXPECT_EQ(world.down(), 0);
}

TEST(Refusal, of_a_ring_under_two_names_one_is_served_once) {
    World world;
    ASSERT_GT(world.up(), 0);
    Living process(world);
    EXPECT_TRUE(process.stored());
    const auto rings = world.files(".seg");
    ASSERT_EQ(rings.size(), 1u);
    fs::create_hard_link(world.directory + "/" + rings[0], world.directory + "/1-link.seg");
    const auto aside = notices_when(world, Notice::Kind::kQuarantined, 1);
    ASSERT_EQ(aside.size(), 1u);
    EXPECT_EQ(aside[0].file, "1-link.seg");
    EXPECT_THAT(aside[0].reason, HasSubstr("served already as " + rings[0]));
    process.kill();
    const auto spans = world.spans_when([](const auto& s) { return !s.empty(); });
    EXPECT_EQ(spans.size(), 1u);
}

}  // namespace
}  // namespace spanring::consumer::testing
