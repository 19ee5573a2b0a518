// Under load, a ring's file is cut, or holes are punched into its pages, by somebody who may write
// it: the consumer goes on, and who else produces loses nothing. A file that was cut is put aside
// with its reason; a hole in a page reads as records that say nothing.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "spanring/abi/segment_layout.h"
#include "spanring/spanring.hpp"
#include "world.hpp"

namespace spanring::consumer::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct Harm {
    /// Makes what is behind `from` in the file go away.
    int (*harm)(int fd, off_t from, off_t bytes);
    bool put_aside;
};

int cut(int fd, off_t from, off_t) {
    return ::ftruncate(fd, from);
}
int punch(int fd, off_t from, off_t bytes) {
    return ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, bytes);
}

/// Spans of others while the harm is done, each.
constexpr int kSpansOfOthers = 60'000;

/// Traces until somebody ends it, or its own ring is gone from under it.
void produce_for_ever() {
    for (;;) {
        const Span span("victim");
        std::this_thread::sleep_for(10us);
    }
}

void produce(int told) {
    for (int i = 0; i < kSpansOfOthers; ++i) {
        {
            Span span("other");
            span.set("i", i);
        }
        if (i == kSpansOfOthers / 4) {
            EXPECT_EQ(::write(told, "x", 1), 1);
        }
        if (i % 64 == 0) std::this_thread::sleep_for(1ms);
    }
    EXPECT_EQ(losses().total(), 0u);
    EXPECT_TRUE(flush(30s));
}

/// Its process, gone with it, unless the cut did that.
class Victim {
public:
    explicit Victim(World& world) : pid_(world.producer(produce_for_ever)) {}
    Victim(const Victim&) = delete;
    Victim& operator=(const Victim&) = delete;
    ~Victim() {
        ::kill(pid_, SIGKILL);
        (void)World::wait_for(pid_);
    }
    /// The name of its ring, once the consumer has attached it; empty: it has not.
    [[nodiscard]] std::string ring(const World& world) const {
        for (int i = 0; i < 1000; ++i) {
            for (const std::string& name : world.files(".seg"))
                if (world.log_text().find(name) != std::string::npos) return name;
            std::this_thread::sleep_for(10ms);
        }
        return {};
    }

private:
    pid_t pid_;
};

class Holes : public ::testing::TestWithParam<Harm> {};
INSTANTIATE_TEST_SUITE_P(Cut, Holes, ::testing::Values(Harm{cut, true}));
INSTANTIATE_TEST_SUITE_P(Punched, Holes, ::testing::Values(Harm{punch, false}));

TEST_P(Holes, in_a_ring_under_load_cost_no_other_anything) {
    World world;
    ASSERT_GT(world.up(), 0);
    const Victim victim(world);
    const std::string ring = victim.ring(world);
    ASSERT_FALSE(ring.empty());
    int told[2];
    ASSERT_EQ(::pipe(told), 0);
    std::vector<pid_t> others;
    for (int i = 0; i < 2; ++i) others.push_back(world.producer([&] { produce(told[1]); }));
    char byte = 0;
    for (std::size_t i = 0; i < others.size(); ++i) ASSERT_EQ(::read(told[0], &byte, 1), 1);

    const int fd = ::open((world.directory + "/" + ring).c_str(), O_RDWR);
    ASSERT_GE(fd, 0);
    spanring_segment_header header;
    ASSERT_EQ(::pread(fd, &header, sizeof header, 0), static_cast<ssize_t>(sizeof header));
    const auto pages = static_cast<off_t>(header.page_offset);
    const auto bytes = static_cast<off_t>(header.pages_max) * static_cast<off_t>(header.page_bytes);
    const int rounds = GetParam().put_aside ? 1000 : 50;
    for (int i = 0; i < rounds && world.files(".quarantined").empty(); ++i) {
        ASSERT_EQ(GetParam().harm(fd, pages, bytes), 0);
        std::this_thread::sleep_for(10ms);
    }
    if (GetParam().put_aside) {
        EXPECT_EQ(world.files(".quarantined"), std::vector{ring + ".quarantined"});
        EXPECT_THAT(world.log_text(), AllOf(HasSubstr(ring), HasSubstr("quarantined")));
    }

    for (const pid_t other : others) EXPECT_EQ(World::wait_for(other), 0);
    int stored = 0;
    for (const auto& span : world.spans()) stored += span.name == "other" ? 1 : 0;
    EXPECT_EQ(stored, 2 * kSpansOfOthers);
    EXPECT_EQ(world.down(), 0);
    ::close(fd);
    for (const int end : told) ::close(end);
}

}  // namespace
}  // namespace spanring::consumer::testing
