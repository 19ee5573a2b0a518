// Damage of the catalogue's files, byte by byte: it may cost time and a warning, never an answer.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "checksum_vfs.hpp"
#include "sqlite.hpp"
#include "support.hpp"

namespace spanring::store::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kFrames = 12;

/// Every how many bytes one is damaged; a prime, so that all places in a page have their turn.
/// SPANRING_TEST_STRIDE=1: each.
std::size_t stride() {
    const char* wanted = std::getenv("SPANRING_TEST_STRIDE");
    return wanted != nullptr ? std::strtoul(wanted, nullptr, 10) : 59;
}

/// A frame of some spans, two of them in one trace, and losses.
Frame frame_with_losses(std::uint64_t number, bool snapshot) {
    FrameSpec spec;
    spec.snapshot = snapshot;
    for (std::uint64_t i = 0; i < 5; ++i) {
        const std::uint64_t ordinal = 10 * number + i;
        spec.rows.push_back(
            {.ordinal = ordinal,
             .name = "work " + std::to_string(i),
             .service = i % 2 == 0 ? "shop" : "cart",
             .start_ns = static_cast<std::int64_t>(1000 * number),
             .root = i == 4 ? ordinal - 1 : ordinal,
             .status = i == 1 ? codec::StatusCode::kError : codec::StatusCode::kUnset,
             .attributes = {{"key", std::int64_t{7}}}});
    }
    Frame frame = frame_of(spec);
    InstanceDelta delta;
    delta.id = instance(1).id;
    delta.pid = 17;
    delta.process_name = "shop";
    delta.pages = {{0, 1, static_cast<std::uint32_t>(number)}};
    delta.losses = {{3, {number, 0, 0, 0}, {}, {}}};
    frame.instances = {delta};
    return frame;
}

/// The digest; delays are in the catalogue alone, and may be gone.
std::string sums(Reader& reader) {
    constexpr auto kAlways = std::numeric_limits<std::int64_t>::min();
    constexpr auto kEver = std::numeric_limits<std::int64_t>::max();
    const auto keys = reader.attribute_keys();
    const auto digest = reader.digest(kAlways, kEver);
    if (!keys.ok() || !digest.ok() || !reader.delays(kAlways, kEver).ok()) return " failed";
    std::string all;
    for (const std::string& key : *keys) all += " " + key;
    for (const auto& one : digest->operations)
        all += " " + one.service + "/" + one.operation + ":" + std::to_string(one.spans);
    for (const auto& one : digest->edges)
        all += " " + one.caller + ">" + one.callee + ":" + std::to_string(one.calls);
    for (const auto& one : digest->attributes) all += " " + one.key + std::to_string(one.spans);
    return all;
}

/// What each kind of query says.
std::string answers(Reader& reader) {
    std::string all;
    for (const auto& name : visible_names(reader)) all += name + ",";
    for (const auto& filter : {SpanFilter{.service = "cart"}, SpanFilter{.since_ns = 6000},
                               SpanFilter{.until_ns = 6000}})
        all += " " + std::to_string(visible_names(reader, filter).size());
    const auto traces = reader.traces({}, 5);
    if (!traces.ok()) return traces.error().message;
    for (const auto& trace : *traces) {
        const auto spans = reader.trace(trace.trace_id);
        all += " " + to_hex(trace.trace_id) + "=" +
               (spans.ok() ? std::to_string(spans->size()) : spans.error().message);
    }
    const auto services = reader.services();
    const auto operations = reader.operations(std::nullopt);
    const auto stats = reader.stats();
    if (!services.ok() || !operations.ok() || !stats.ok()) return all + " failed";
    for (const auto& name : *services) all += " " + name;
    for (const auto& one : *operations)
        all += " " + one.service + "/" + one.operation + "=" + std::to_string(one.count) + "-" +
               std::to_string(one.error_count);
    all += " " + std::to_string(stats->spans) + "/" + std::to_string(stats->frames);
    for (const auto& lost : stats->losses)
        all += " " + lost.process_name + ":" + std::to_string(lost.spans);
    return all + sums(reader);
}

class CatalogueDamage : public ::testing::Test {
protected:
    void SetUp() override {
        writer_ = open_writer(dir_.db());
        for (std::uint64_t i = 1; i <= kFrames; ++i) {
            FrameSummary summary{.spans = 5};
            summary.start_ns_min = summary.start_ns_max = static_cast<std::int64_t>(1000 * i);
            ASSERT_TRUE(
                writer_->commit(frame_with_losses(i, writer_->wants_snapshot()), summary).ok());
            ASSERT_TRUE(writer_->index_now().ok());
        }
        before_ = answers(*open_reader(dir_.db()));
    }
    void close() {
        writer_.reset();
        good_ = read_file(catalogue());
        ASSERT_EQ(good_.size() % kCataloguePageBytes, 0u);
    }
    [[nodiscard]] std::string catalogue() const { return dir_.db() + "/catalogue.sqlite"; }
    void put(const std::string& bytes, const std::string& wal = {}) const {
        for (const char* ending : {"-wal", "-shm"}) ::unlink((catalogue() + ending).c_str());
        write_file(catalogue(), bytes);
        if (!wal.empty()) write_file(catalogue() + "-wal", wal);
    }

    TempDir dir_;
    std::unique_ptr<Writer> writer_;
    std::string good_;
    std::string before_;
};

std::string flipped(std::string bytes, std::size_t at, std::uint8_t bits) {
    bytes[at] = static_cast<char>(bytes[at] ^ bits);
    return bytes;
}

constexpr std::uint8_t kFlips[] = {0x01, 0x80, 0xff, 0x10};

TEST_F(CatalogueDamage, of_each_byte_changes_no_answer_and_gives_a_warning) {
    close();
    std::size_t warned = 0;
    std::size_t flips = 0;
    for (std::size_t at = 0; at < good_.size(); at += stride(), ++flips) {
        put(flipped(good_, at, kFlips[flips % std::size(kFlips)]));
        auto reader = open_reader(dir_.db());
        ASSERT_NE(reader, nullptr) << at;
        ASSERT_EQ(answers(*reader), before_) << at;
        warned += reader->warnings().empty() ? 0 : 1;
    }
    // What SQLite does not look at (indices that no query needs, free pages) warns nobody.
    EXPECT_GT(warned, flips / 2) << "of " << flips;
}

TEST_F(CatalogueDamage, of_each_byte_is_mended_by_the_next_writer) {
    close();
    for (std::size_t page = 0; page < good_.size() / kCataloguePageBytes; ++page) {
        put(flipped(good_, page * kCataloguePageBytes + 37 * page, 0x04));
        writer_ = open_writer(dir_.db());
        ASSERT_TRUE(writer_->index_now().ok());
        writer_.reset();
        auto reader = open_reader(dir_.db());
        ASSERT_EQ(answers(*reader), before_) << page;
        ASSERT_THAT(reader->warnings(), IsEmpty()) << page;
    }
}

TEST_F(CatalogueDamage, of_each_byte_of_its_wal_changes_no_answer) {
    const std::string wal = read_file(catalogue() + "-wal");  // as a killed writer leaves it
    const std::string file = read_file(catalogue());
    ASSERT_GT(wal.size(), kCataloguePageBytes);
    close();
    put(file, wal);
    ASSERT_EQ(answers(*open_reader(dir_.db())), before_);
    // Some times the file itself.
    std::size_t flips = 0;
    for (std::size_t at = 0; at < wal.size(); at += 5 * stride() + 2, ++flips) {
        put(file, flipped(wal, at, kFlips[flips % std::size(kFlips)]));
        auto reader = open_reader(dir_.db());
        ASSERT_NE(reader, nullptr) << at;
        ASSERT_EQ(answers(*reader), before_) << at;
    }
    EXPECT_GT(flips, 100u);
}

TEST_F(CatalogueDamage, that_cuts_it_or_swaps_its_pages_changes_no_answer) {
    close();
    const std::size_t pages = good_.size() / kCataloguePageBytes;
    for (std::size_t page = 1; page < pages; ++page) {
        std::string swapped = good_;
        for (std::size_t i = 0; i < kCataloguePageBytes; ++i)
            std::swap(swapped[page * kCataloguePageBytes + i],
                      swapped[(page == 1 ? pages - 1 : 1) * kCataloguePageBytes + i]);
        std::string zeroed = good_;
        zeroed.replace(page * kCataloguePageBytes, kCataloguePageBytes, kCataloguePageBytes, '\0');
        for (const std::string& ruin :
             {good_.substr(0, page * kCataloguePageBytes),
              good_.substr(0, page * kCataloguePageBytes + 999), swapped, zeroed}) {
            put(ruin);
            auto reader = open_reader(dir_.db());
            ASSERT_EQ(answers(*reader), before_) << page;
        }
    }
}

// Before, the reader judged the extents of the new one by the trace filters of the old one.
TEST_F(CatalogueDamage, that_led_to_another_catalogue_leaves_no_old_filters_behind) {
    auto reader = open_reader(dir_.db());
    ASSERT_EQ(answers(*reader), before_);
    writer_.reset();
    put("ruined");
    ASSERT_TRUE(rebuild_catalogue(dir_.db()).ok());
    ASSERT_TRUE(reader->refresh().ok());
    EXPECT_EQ(answers(*reader), before_);
    EXPECT_THAT(reader->warnings(), IsEmpty());
}

// Undefined behaviour, found by fuzz_store_catalogue.
TEST_F(CatalogueDamage, that_somebody_made_up_as_an_instance_of_no_bytes_is_an_instance) {
    close();
    {
        auto catalogue =
            store::Database::open(dir_.db() + "/catalogue.sqlite", store::Database::Mode::kWrite);
        ASSERT_TRUE(
            catalogue->run("INSERT INTO instances VALUES(x'', 1, 4711, 'made up', 0);"
                           "INSERT INTO losses VALUES(x'', 0, 1, 3, 0, 0)"));
    }
    const auto stats = open_reader(dir_.db())->stats();
    ASSERT_TRUE(stats.ok());
    EXPECT_TRUE(std::any_of(stats->losses.begin(), stats->losses.end(), [](const auto& losses) {
        return losses.process_name == "made up" && losses.spans == 3;
    }));
}

TEST_F(CatalogueDamage, is_not_to_be_read_from_a_file_without_checksums) {
    close();
    std::string older = good_;
    for (std::size_t page = 1; page <= good_.size() / kCataloguePageBytes; ++page)
        older.replace(page * kCataloguePageBytes - kPageChecksumBytes, kPageChecksumBytes,
                      kPageChecksumBytes, '\0');
    put(older);
    auto reader = open_reader(dir_.db());
    EXPECT_EQ(answers(*reader), before_);
    EXPECT_THAT(reader->warnings(), Contains(HasSubstr("the catalogue is not used")));
}

}  // namespace
}  // namespace spanring::store::testing
