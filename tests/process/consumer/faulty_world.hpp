// What the tests of a failing consumer share: where it lies, what is produced in it, and what
// must be in its database at the end.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <string>

#include "spanring/spanring.hpp"
#include "spanring/store/database.hpp"
#include "world.hpp"

namespace spanring::consumer::testing {

inline constexpr int kSpans = 30;

/// Many lives are quicker there, in memory.
inline constexpr char kTmpfs[] = "/dev/shm";

/// Two processes: one that ends, and one that is killed with spans open.
inline void produce(World& world, std::chrono::milliseconds patience) {
    const pid_t ends = world.producer([patience] {
        for (int i = 0; i < kSpans; ++i) {
            Span outer("outer");
            outer.set("k", i);
            Span inner("inner");
            inner.set("k", i);
            inner.set("text", std::string(200, 't'));
            if (i % 10 == 9) (void)flush(patience);
        }
    });
    const pid_t is_killed = world.producer([patience] {
        AsyncSpan open("open");
        open.set("k", 0);
        Span last("last");
        last.set("k", 0);
        (void)flush(patience);
        ::raise(SIGKILL);
    });
    EXPECT_EQ(World::wait_for(ends), 0);
    EXPECT_EQ(World::wait_for(is_killed), -SIGKILL);
}

inline void expect_all_once(const World& world) {
    std::map<std::string, std::map<std::int64_t, int>> seen;
    for (const codec::Span& span : world.spans()) {
        ++seen[span.name][number_of(span, "k")];
        const bool is_open = span.name == "open" || span.name == "last";
        EXPECT_EQ(span.duration_ns.has_value(), !is_open) << span.name;
    }
    for (const char* name : {"outer", "inner"}) {
        for (int i = 0; i < kSpans; ++i) EXPECT_EQ(seen[name][i], 1) << name << " " << i;
    }
    for (const char* name : {"open", "last"}) EXPECT_EQ(seen[name][0], 1) << name;
    EXPECT_EQ(seen.size(), 4u);
    for (const char* ending : {".seg", ".quarantined", ".new", ".tmp"}) {
        EXPECT_TRUE(world.files(ending).empty()) << world.files(ending).front();
    }
    auto report = store::check(world.database);
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->frames_bad, 0u) << report->problems.front();
    for (const auto& entry : std::filesystem::directory_iterator(world.database)) {
        const std::string name = entry.path().filename();
        EXPECT_FALSE(name.ends_with(".compacting") || name.ends_with(".new")) << name;
    }
}

}  // namespace spanring::consumer::testing
