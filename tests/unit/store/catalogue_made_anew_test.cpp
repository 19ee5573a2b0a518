// A catalogue is made anew in the place of another, whose -wal and -shm SQLite knows by their
// names: those who open it at that moment must not take one's for the other's.
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "catalogue_reader.hpp"
#include "catalogue_writer.hpp"
#include "spanring/base/os.hpp"
#include "support.hpp"

namespace spanring::store::testing {
namespace {

class CatalogueMadeAnew : public ::testing::Test {
protected:
    void SetUp() override {
        auto writer = open_writer(dir_.db());
        const FrameSpec spec{.rows = {{.ordinal = 1}}, .open = {}, .snapshot = true};
        ASSERT_TRUE(writer->commit(frame_of(spec), summary_of(spec)).ok());
        ASSERT_TRUE(writer->index_now().ok());
    }
    /// As one who makes it anew, or opens it, and has been stopped inside.
    [[nodiscard]] UniqueFd locked(int operation) const {
        UniqueFd fd(::open(dir_.db().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        EXPECT_EQ(::flock(fd.get(), operation | LOCK_NB), 0);
        return fd;
    }
    [[nodiscard]] Result<void> make_anew() const {
        const Folder folder = *Folder::open(dir_.db());
        auto made = CatalogueWriter::open(
            folder, {}, [](auto) { return BatchFacts(); }, CatalogueWriter::Start::kAnew);
        return made ? Result<void>() : made.error();
    }

    TempDir dir_;
};

// One that opened the old file took the new one's -shm, found nobody's lock on it, as locks of one
// process do not exclude each other, and cut it to nothing: SIGBUS in the one who made it.
TEST_F(CatalogueMadeAnew, under_readers_that_open_it_in_the_same_process_ends_nobody) {
    std::atomic<bool> stop{false};
    std::uint64_t opened = 0;
    std::thread reader([&] {
        const Folder folder = *Folder::open(dir_.db());
        while (!stop) opened += CatalogueReader::open(folder).ok() ? 1 : 0;
    });
    const Folder folder = *Folder::open(dir_.db());
    for (int i = 0; i < 50; ++i) {
        // Gone for a moment, or taken away under the eyes of those who read it.
        if (i % 2 == 0) {
            EXPECT_TRUE(CatalogueWriter::discard(folder).ok());
        }
        const auto made = make_anew();
        EXPECT_TRUE(made.ok()) << made.error().message;
    }
    stop = true;
    reader.join();
    EXPECT_GT(opened, 0u);
}

TEST_F(CatalogueMadeAnew, by_one_who_was_stopped_inside_costs_readers_no_answer) {
    const UniqueFd maker = locked(LOCK_EX);
    EXPECT_EQ(CatalogueReader::open(*Folder::open(dir_.db())).error().code, ErrorCode::kBusy);
    auto reader = Reader::open(dir_.db());
    ASSERT_TRUE(reader.ok());
    EXPECT_EQ((*reader)->stats()->spans, 1u);
}

TEST_F(CatalogueMadeAnew, waits_for_those_who_open_the_old_one) {
    std::thread opener(
        [fd = locked(LOCK_SH)] { std::this_thread::sleep_for(std::chrono::milliseconds(50)); });
    EXPECT_TRUE(make_anew().ok());
    opener.join();
}

TEST_F(CatalogueMadeAnew, beside_one_who_was_stopped_while_opening_it_is_tried_later) {
    {
        const UniqueFd opener = locked(LOCK_SH);
        EXPECT_EQ(make_anew().error().code, ErrorCode::kBusy);
    }
    EXPECT_TRUE(make_anew().ok());
}

TEST_F(CatalogueMadeAnew, whose_old_files_cannot_be_removed_is_not_made) {
    os::inject_fault(os::Call::kUnlink, 3, EIO);  // -shm
    EXPECT_EQ(make_anew().error().code, ErrorCode::kIo);
    EXPECT_EQ(os::clear_fault(), 1u);
    EXPECT_TRUE(make_anew().ok());
}

TEST_F(CatalogueMadeAnew, is_not_kept_waiting_by_a_child_that_was_forked_meanwhile) {
    const Folder folder = *Folder::open(dir_.db());
    pid_t child = 0;
    {
        const auto names = CatalogueNames::keep(folder);
        ASSERT_TRUE(names.ok());
        child = ::fork();
        if (child == 0) ::pause();
    }
    EXPECT_TRUE(make_anew().ok());
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace spanring::store::testing
