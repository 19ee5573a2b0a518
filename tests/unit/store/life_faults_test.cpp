// Each call of a store's life fails in turn, until a life makes fewer calls: what is committed is
// there once, whatever failed, and the next life finds nothing of it in its way.
#include <sqlite3.h>

#include <cerrno>
#include <cstdlib>
#include <iostream>

#include "compaction_support.hpp"
#include "spanring/base/os.hpp"
#include "sqlite_disk.hpp"

namespace spanring::store::testing {
namespace {

using spanring::testing::SqliteDisk;
using ::testing::IsEmpty;

/// With SPANRING_TEST_LONG every n of everything; else every n of one error, some of the others.
bool is_long() {
    return std::getenv("SPANRING_TEST_LONG") != nullptr;
}

constexpr std::uint64_t kLabels = 16;
constexpr int kTriesMax = 4;

/// What a consumer does: what could not be committed is committed with the next frame that can.
/// Every call may fail, but only for so long.
class Life {
public:
    explicit Life(std::string db) : db_(std::move(db)) {
        options_ = by_hand();
        options_.durability = Durability::kCommit;
        options_.now_ns = [this] { return now_ns_ += 1000; };
        options_.window_age_max = std::chrono::hours(10000);
        options_.retention = std::chrono::hours(1);
    }
    void run() {
        commit(1, 6);
        index();
        read();
        commit(7, 9);
        compact();
        read();
        now_ns_ += 7'200'000'000'000;  // what is sealed is over age
        commit(10, 12);
        if (writer_) (void)writer_->retire();
        writer_.reset();
        commit(13, kLabels);
        index();
        read();
        writer_.reset();
    }

private:
    bool open() {
        for (int i = 0; i < kTriesMax && !writer_; ++i) {
            auto opened = Writer::open(db_, options_);
            if (opened) writer_ = std::move(*opened);
        }
        EXPECT_NE(writer_, nullptr) << "cannot be opened any more";
        return writer_ != nullptr;
    }
    void commit(std::uint64_t first, std::uint64_t last) {
        if (!writer_ && !open()) return;
        for (std::uint64_t label = first; label <= last; ++label) {
            bool done = false;
            for (int i = 0; i < kTriesMax && !done; ++i) {
                done = commit_numbered(*writer_, label).ok();
                // Where there is no room, it is looked for again a little later.
                if (!done && i > 0) ::usleep(110000);
            }
            EXPECT_TRUE(done) << "f" << label << " can never be committed";
        }
    }
    void index() {
        if (writer_) (void)writer_->index_now();
    }
    void compact() {
        if (writer_) (void)writer_->compact();
        index();
    }
    /// Any answer, but none with something twice.
    void read() {
        auto reader = Reader::open(db_);
        if (!reader) return;
        auto names = sorted(visible_names_or_none(**reader));
        EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end()) << "twice";
        (void)(*reader)->refresh();
        (void)(*reader)->services();
        (void)(*reader)->operations(std::nullopt);
        (void)(*reader)->stats();
        (void)(*reader)->traces({}, 3);
        (void)(*reader)->trace(TraceId{instance().id.bytes});
    }
    static std::vector<std::string> visible_names_or_none(Reader& reader) {
        std::vector<std::string> names;
        (void)reader.visit({}, [&](const codec::Span& span) {
            names.push_back(span.name);
            return true;
        });
        return names;
    }

    std::string db_;
    WriterOptions options_;
    std::atomic<std::int64_t> now_ns_{1};  ///< threads of the writer ask, too
    std::unique_ptr<Writer> writer_;
};

struct LifeFault {
    const char* name;
    os::Call call;
    int errno_value;
    std::uint64_t stride;  ///< by default, of n
};

struct CatalogueFault {
    const char* name;
    SqliteDisk::Call call;
    int code;
    std::uint64_t stride;
    bool lasting;
};

void PrintTo(const LifeFault& fault, std::ostream* out) {
    *out << fault.name;
}
void PrintTo(const CatalogueFault& fault, std::ostream* out) {
    *out << fault.name;
}

/// Frames that may be gone are those that retirement took: of the oldest windows.
void expect_whole(const std::string& db) {
    auto before = sorted(visible_names(db));
    EXPECT_EQ(std::adjacent_find(before.begin(), before.end()), before.end()) << "twice";
    std::uint64_t oldest = kLabels + 1;
    for (const std::string& name : before)
        oldest = std::min<std::uint64_t>(oldest, std::stoull(name.substr(1)));
    // The window that begins with f7 at the latest is the newest when retirement looks.
    EXPECT_LE(oldest, 12u);
    EXPECT_EQ(before.size(), kLabels + 1 - oldest) << "one is missing";
    WriterOptions options = by_hand();
    options.retention = std::chrono::hours(24 * 365 * 100);
    auto writer = open_writer(db, options);
    ASSERT_NE(writer, nullptr);
    ASSERT_TRUE(commit_numbered(*writer, kLabels + 1).ok());
    auto indexed = writer->index_now();
    ASSERT_TRUE(indexed.ok()) << indexed.error().message;
    ASSERT_TRUE(writer->compact().ok());
    indexed = writer->index_now();
    ASSERT_TRUE(indexed.ok()) << indexed.error().message;
    writer.reset();
    before.push_back("f" + std::to_string(kLabels + 1));
    EXPECT_EQ(sorted(visible_names(db)), sorted(before));
    const auto operations = *open_reader(db)->operations(std::nullopt);
    EXPECT_EQ(operations.size(), before.size()) << "what the catalogue counts";
    EXPECT_EQ(check(db)->frames_bad, 0u);
    EXPECT_THAT(files_in(db, ".compacting"), IsEmpty());
    EXPECT_THAT(files_in(db, "uuid.new"), IsEmpty());
    EXPECT_THAT(files_in(db, "reserve"), IsEmpty());
}

class LifeFaults : public ::testing::TestWithParam<LifeFault> {};

TEST_P(LifeFaults, at_the_nth_call_cost_nothing_that_was_committed) {
    const LifeFault fault = GetParam();
    const std::uint64_t stride = is_long() ? 1 : fault.stride;
    std::uint64_t cases = 0;
    for (std::uint64_t nth = 1; !HasFailure(); nth += stride, ++cases) {
        SCOPED_TRACE("call " + std::to_string(nth));
        TempDir dir("/dev/shm");
        os::inject_fault(fault.call, nth, fault.errno_value);
        Life(dir.db()).run();
        const bool reached = os::clear_fault() != 0;
        expect_whole(dir.db());
        if (!reached) break;
    }
    std::cout << "calls failed in turn: " << cases << "\n";
    EXPECT_GT(cases, 0u);
}

INSTANTIATE_TEST_SUITE_P(
    Calls, LifeFaults,
    ::testing::Values(LifeFault{"eio", os::Call::kAny, EIO, 1},
                      LifeFault{"enospc", os::Call::kAny, ENOSPC, 11},
                      LifeFault{"enomem", os::Call::kAny, ENOMEM, 17},
                      LifeFault{"eintr", os::Call::kAny, EINTR, 17},
                      LifeFault{"emfile", os::Call::kOpen, EMFILE, 5},
                      LifeFault{"short_read", os::Call::kRead, os::kShortTransfer, 5},
                      LifeFault{"short_write", os::Call::kWrite, os::kShortTransfer, 1}),
    [](const auto& tested) { return std::string(tested.param.name); });

class CatalogueFaults : public ::testing::TestWithParam<CatalogueFault> {};

TEST_P(CatalogueFaults, at_the_nth_call_cost_no_span_and_heal) {
    const CatalogueFault fault = GetParam();
    const std::uint64_t stride =
        is_long() && fault.call != SqliteDisk::Call::kMemory ? 1 : fault.stride;
    const SqliteDisk sqlite;
    std::uint64_t cases = 0;
    for (std::uint64_t nth = 1; !HasFailure(); nth += stride, ++cases) {
        SCOPED_TRACE("call " + std::to_string(nth));
        TempDir dir("/dev/shm");
        SqliteDisk::inject_fault(fault.call, nth, fault.code, fault.lasting);
        Life(dir.db()).run();
        const bool reached = SqliteDisk::clear_fault() != 0;
        expect_whole(dir.db());
        if (!reached) break;
    }
    std::cout << "calls failed in turn: " << cases << "\n";
    EXPECT_GT(cases, 0u);
}

using Sql = SqliteDisk::Call;
INSTANTIATE_TEST_SUITE_P(
    Calls, CatalogueFaults,
    ::testing::Values(CatalogueFault{"any", Sql::kAny, SQLITE_IOERR, 2, false},
                      CatalogueFault{"any_lasting", Sql::kAny, SQLITE_IOERR, 29, true},
                      CatalogueFault{"nomem", Sql::kAny, SQLITE_NOMEM, 29, false},
                      CatalogueFault{"read", Sql::kRead, SQLITE_IOERR_READ, 7, false},
                      CatalogueFault{"short_read", Sql::kRead, SQLITE_IOERR_CORRUPTFS, 11, false},
                      CatalogueFault{"write", Sql::kWrite, SQLITE_IOERR_WRITE, 7, false},
                      CatalogueFault{"full", Sql::kWrite, SQLITE_FULL, 11, true},
                      CatalogueFault{"sync", Sql::kSync, SQLITE_IOERR_FSYNC, 1, false},
                      CatalogueFault{"open", Sql::kOpen, SQLITE_CANTOPEN, 1, false},
                      CatalogueFault{"open_lasting", Sql::kOpen, SQLITE_CANTOPEN, 3, true},
                      CatalogueFault{"delete", Sql::kDelete, SQLITE_IOERR_DELETE, 1, false},
                      CatalogueFault{"truncate", Sql::kTruncate, SQLITE_IOERR_TRUNCATE, 1, false},
                      CatalogueFault{"memory", Sql::kMemory, SQLITE_NOMEM, 97, false},
                      CatalogueFault{"memory_lasting", Sql::kMemory, SQLITE_NOMEM, 331, true}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace spanring::store::testing
