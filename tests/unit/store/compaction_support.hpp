// What the tests of compaction share: writers that do nothing behind a test's back, and what a
// database holds.
#pragma once

#include <gmock/gmock.h>

#include <algorithm>

#include "frame_view.hpp"
#include "spanring/codec/jsonl.hpp"
#include "support.hpp"

namespace spanring::store::testing {

inline constexpr std::uint64_t kSmallWindow = 1500;  // a few frames

/// Nothing happens in the background: each test says when.
inline WriterOptions by_hand(std::uint64_t window_bytes = kSmallWindow) {
    WriterOptions options;
    options.window_bytes_max = window_bytes;
    options.compaction.enabled = false;
    return options;
}

inline WriterOptions in_background(std::uint64_t window_bytes = kSmallWindow) {
    WriterOptions options;
    options.window_bytes_max = window_bytes;
    options.compaction.cpu_percent = 100;
    return options;
}

inline void commit_many(Writer& writer, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t i = first; i <= last; ++i) ASSERT_TRUE(commit_numbered(writer, i).ok());
}

inline CompactReport compacted(Writer& writer) {
    EXPECT_TRUE(writer.index_now().ok());
    auto report = writer.compact();
    EXPECT_TRUE(report.ok()) << (report ? "" : report.error().message);
    EXPECT_TRUE(writer.index_now().ok());
    return report ? *report : CompactReport{};
}

inline std::vector<std::string> spans_of(const std::string& path) {
    std::vector<std::string> lines;
    auto reader = open_reader(path);
    auto visited = reader->visit({}, [&](const codec::Span& span) {
        lines.push_back(codec::to_jsonl(span));
        return true;
    });
    EXPECT_TRUE(visited.ok());
    EXPECT_THAT(reader->warnings(), ::testing::IsEmpty());
    std::sort(lines.begin(), lines.end());
    return lines;
}

inline std::vector<std::string> sorted(std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    return names;
}

/// Whether the windows' files were made by compaction.
inline std::vector<bool> which_are_compacted(const std::string& db) {
    std::vector<bool> out;
    for (const std::string& file : files_in(db, ".log")) {
        const std::string bytes = read_file(file);
        auto header = read_header(std::as_bytes(std::span(bytes)));
        out.push_back(header && is_merged(*header));
    }
    return out;
}

}  // namespace spanring::store::testing
