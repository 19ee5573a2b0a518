// Looking a trace up by its id reads the frames that the catalogue does not rule out, and no
// others; a catalogue of an older version is rebuilt first.
#include <gmock/gmock.h>

#include "catalogue_schema.hpp"
#include "sqlite.hpp"
#include "support.hpp"

namespace spanring::store::testing {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

TraceId native_id(std::uint64_t root) {
    return derive_trace_id(instance().host_key, instance().id.number(), SpanKey::of(0, root));
}

/// Frames of 100 traces each, an extent for each frame.
class TraceLookup : public ::testing::Test {
protected:
    static constexpr std::uint64_t kFrames = 5;
    static constexpr std::uint64_t kTraces = 100;

    void SetUp() override {
        auto writer = open_writer(dir_.db());
        for (std::uint64_t frame = 0; frame < kFrames; ++frame) {
            FrameSpec spec;
            spec.snapshot = writer->wants_snapshot();
            for (std::uint64_t i = 0; i < kTraces; ++i)
                spec.rows.push_back({.ordinal = root(frame, i)});
            ASSERT_TRUE(writer->commit(frame_of(spec), summary_of(spec)).ok());
            ASSERT_TRUE(writer->index_now().ok());
            ends_.push_back(read_file(window()).size());
        }
    }
    /// Each trace has a second ordinal, which names none.
    static std::uint64_t root(std::uint64_t frame, std::uint64_t i) {
        return 10'000 + 2 * (frame * kTraces + i);
    }
    [[nodiscard]] std::string window() const { return files_in(dir_.db(), ".log").back(); }
    [[nodiscard]] std::string catalogue() const { return dir_.db() + "/catalogue.sqlite"; }
    void damage(std::uint64_t frame) const {
        std::string bytes = read_file(window());
        bytes[ends_[frame] - 40] = static_cast<char>(bytes[ends_[frame] - 40] ^ 1);
        write_file(window(), bytes);
    }
    [[nodiscard]] bool finds(Reader& reader, const TraceId& id) const {
        const auto spans = reader.trace(id);
        EXPECT_TRUE(spans.ok() || spans.error().code == ErrorCode::kNotFound);
        return spans.ok();
    }
    [[nodiscard]] std::int64_t version() const {
        auto database = store::Database::open(catalogue(), store::Database::Mode::kRead);
        auto asked = database->prepare("PRAGMA user_version");
        EXPECT_TRUE(*asked->step());
        return asked->integer(0);
    }

    TempDir dir_;
    std::vector<std::size_t> ends_;
};

TEST_F(TraceLookup, finds_every_native_trace) {
    auto reader = open_reader(dir_.db());
    for (std::uint64_t frame = 0; frame < kFrames; ++frame)
        for (const std::uint64_t i : {std::uint64_t{0}, kTraces / 2, kTraces - 1})
            EXPECT_TRUE(finds(*reader, native_id(root(frame, i))));
    EXPECT_FALSE(finds(*reader, native_id(root(0, 0) - 1)));
    EXPECT_FALSE(finds(*reader, native_id(root(kFrames, 0))));
}

TEST_F(TraceLookup, does_not_read_frames_whose_ranges_exclude_the_trace) {
    // A damaged frame that is read gives a warning.
    for (const std::uint64_t frame : {0, 1, 3, 4}) damage(frame);
    auto reader = open_reader(dir_.db());
    for (std::uint64_t i = 0; i < kTraces; ++i)
        EXPECT_TRUE(finds(*reader, native_id(root(2, i)))) << i;
    TraceId foreign;
    foreign.bytes.fill(7);
    EXPECT_FALSE(finds(*reader, foreign));
    EXPECT_FALSE(finds(*reader, native_id(5)));
    EXPECT_THAT(reader->warnings(), IsEmpty());
    EXPECT_FALSE(finds(*reader, native_id(root(3, 7))));
    EXPECT_THAT(reader->warnings(), SizeIs(1)) << "this one had to be read";
}

TEST_F(TraceLookup, a_catalogue_of_an_older_version_is_not_believed_and_rebuilt) {
    {
        auto database = store::Database::open(catalogue(), store::Database::Mode::kWrite);
        ASSERT_TRUE(database->run("UPDATE extents SET trace_filter = x'0100'").ok());
        ASSERT_TRUE(database->run("PRAGMA user_version=2").ok());
    }
    static_assert(kCatalogueVersion > 2);
    EXPECT_TRUE(finds(*open_reader(dir_.db()), native_id(root(2, 7)))) << "from the log";
    auto writer = open_writer(dir_.db());
    ASSERT_TRUE(writer->index_now().ok());
    writer.reset();
    EXPECT_EQ(version(), kCatalogueVersion);
    EXPECT_TRUE(finds(*open_reader(dir_.db()), native_id(root(2, 7))));
    damage(4);
    auto reader = open_reader(dir_.db());
    EXPECT_FALSE(finds(*reader, native_id(5)));
    EXPECT_THAT(reader->warnings(), IsEmpty()) << "all filters were made anew";
}

}  // namespace
}  // namespace spanring::store::testing
