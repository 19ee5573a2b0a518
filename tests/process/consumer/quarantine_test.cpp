// A ring that breaks the rules is put aside: what was good of it is stored once, whoever dies then.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "spanring/abi/segment_layout.h"
#include "spanring/spanring.hpp"
#include "world.hpp"

namespace spanring::consumer::testing {
namespace {

using namespace std::chrono_literals;

// The name of the innermost span is taken away from the table of strings. That it is missing shows
// when the open spans are put into a frame, behind the drain.
TEST(Quarantine, of_a_ring_with_open_spans_stores_each_of_them_once) {
    World world;
    ASSERT_GT(world.up(), 0);
    world.kill_consumer();
    int told[2];
    ASSERT_EQ(::pipe(told), 0);
    const pid_t pid = world.producer([&] {
        { Span done("done"); }
        Span good("good");
        Span nameless("nameless");
        EXPECT_EQ(::write(told[1], "x", 1), 1);
        for (;;) ::pause();
    });
    char byte = 0;
    ASSERT_EQ(::read(told[0], &byte, 1), 1);
    const auto rings = world.files(".seg");
    ASSERT_EQ(rings.size(), 1u);
    const std::string ring = world.directory + "/" + rings[0];
    const int fd = ::open(ring.c_str(), O_RDWR);
    ASSERT_GE(fd, 0);
    std::uint32_t strings = 0;
    const auto at = static_cast<off_t>(offsetof(spanring_segment_header, strings_count));
    ASSERT_EQ(::pread(fd, &strings, sizeof strings, at), 4);
    --strings;
    ASSERT_EQ(::pwrite(fd, &strings, sizeof strings, at), 4);
    ::close(fd);

    const auto all_once = [](const std::vector<codec::Span>& spans) {
        return spans.size() == 2 && std::count_if(spans.begin(), spans.end(), [](const auto& s) {
                                        return s.name == "good" && s.unfinished;
                                    }) == 1;
    };
    for (int life = 0; life < 3; ++life) {
        ASSERT_GT(world.up(), 0);
        const auto spans = world.spans_when(
            [&](const auto& s) { return all_once(s) && !world.files(".quarantined").empty(); });
        EXPECT_TRUE(all_once(spans)) << life;
        EXPECT_EQ(world.files(".quarantined").size(), 1u);
        world.kill_consumer();
    }
    ::kill(pid, SIGKILL);
    (void)World::wait_for(pid);
    for (const int end : told) ::close(end);
}

}  // namespace
}  // namespace spanring::consumer::testing
