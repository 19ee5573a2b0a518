// Alive or dead: the lock first, then pid and start time; and the end of a segment's file.

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "ring_fixture.hpp"
#include "spanring/base/os.hpp"
#include "spanring/shm/process_identity.hpp"

namespace spanring::shm {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A producer in a process of its own, which does what `prepare` says and then waits to be killed.
class Producer {
public:
    template <typename Prepare>
    Producer(const RingDirectory& directory, Prepare&& prepare) {
        int ready[2];
        if (::pipe(ready) != 0) return;
        pid_ = ::fork();
        if (pid_ == 0) {
            SegmentWriter writer{};
            SegmentOptions options = small_segment();
            read_boot_id(&options.boot_id);
            const char answer = writer.open(directory, options) ? 'y' : 'n';
            prepare(writer);
            (void)!::write(ready[1], &answer, 1);
            for (;;) ::pause();
        }
        char answer = 0;
        good_ = ::read(ready[0], &answer, 1) == 1 && answer == 'y';
        ::close(ready[0]);
        ::close(ready[1]);
    }
    ~Producer() { reap(); }
    void kill() const { ::kill(pid_, SIGKILL); }
    /// Returns when the process is stopped.
    void stop() const {
        ::kill(pid_, SIGSTOP);
        siginfo_t info;
        ::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED);
    }
    /// Returns when the process is dead, but leaves it a zombie.
    void wait_for_zombie() const {
        siginfo_t info;
        ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
    }
    void reap() {
        if (pid_ <= 0) return;
        kill();
        ::waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    [[nodiscard]] bool good() const { return good_; }

private:
    pid_t pid_{0};
    bool good_{false};
};

class LifeTest : public ::testing::Test {
protected:
    SegmentReader attach() {
        const std::vector<std::string> names = *directory.segments();
        EXPECT_EQ(names.size(), 1U);
        return *SegmentReader::attach(directory, names.at(0), SegmentReader::Mode::kReadWrite);
    }
    ScratchDirectory scratch;
    RingDirectory directory = scratch.open();
};

constexpr auto kNothing = [](SegmentWriter&) {};

TEST_F(LifeTest, a_killed_producer_is_dead_at_once_even_as_a_zombie) {
    Producer producer(directory, kNothing);
    ASSERT_TRUE(producer.good());
    SegmentReader reader = attach();
    EXPECT_TRUE(reader.producer_alive());
    producer.kill();
    producer.wait_for_zombie();
    EXPECT_FALSE(reader.producer_alive());
    producer.reap();
    EXPECT_FALSE(reader.producer_alive());
}

TEST_F(LifeTest, a_stopped_producer_is_alive) {
    Producer producer(directory, kNothing);
    ASSERT_TRUE(producer.good());
    producer.stop();
    EXPECT_TRUE(attach().producer_alive());
}

TEST_F(LifeTest, a_producer_that_closed_all_its_descriptors_is_alive_by_pid_and_start_time) {
    Producer producer(directory, [](SegmentWriter& writer) { ::close(writer.mapping().fd); });
    ASSERT_TRUE(producer.good());
    SegmentReader reader = attach();
    EXPECT_TRUE(reader.producer_alive());
    producer.reap();
    EXPECT_FALSE(reader.producer_alive());
}

TEST_F(LifeTest, that_cannot_be_looked_at_is_not_called_death) {
    Producer producer(directory, [](SegmentWriter& writer) { ::close(writer.mapping().fd); });
    ASSERT_TRUE(producer.good());
    SegmentReader reader = attach();
    os::inject_lasting_fault(os::Call::kOpen, 1, EMFILE);
    EXPECT_TRUE(reader.producer_alive());
    EXPECT_GT(os::clear_fault(), 0u);
    os::inject_lasting_fault(os::Call::kRead, 1, EIO);
    EXPECT_TRUE(reader.producer_alive());
    EXPECT_GT(os::clear_fault(), 0u);
    producer.kill();
    producer.reap();
    EXPECT_FALSE(reader.producer_alive());
}

TEST_F(LifeTest, a_recycled_pid_is_another_process) {
    Producer producer(directory, [](SegmentWriter& writer) {
        auto* header = reinterpret_cast<spanring_segment_header*>(writer.mapping().data);
        ++header->pid_start_ticks;  // as if the pid had been somebody else's
        ::close(writer.mapping().fd);
    });
    ASSERT_TRUE(producer.good());
    EXPECT_FALSE(attach().producer_alive());
}

TEST_F(LifeTest, a_segment_of_an_earlier_boot_is_dead) {
    Producer producer(directory, [](SegmentWriter& writer) {
        auto* header = reinterpret_cast<spanring_segment_header*>(writer.mapping().data);
        ++header->boot_id[0];
        ::close(writer.mapping().fd);
    });
    ASSERT_TRUE(producer.good());
    EXPECT_FALSE(attach().producer_alive());
}

TEST_F(LifeTest, what_a_killed_producer_published_can_be_read_and_its_open_page_too) {
    Producer producer(directory, [](SegmentWriter& writer) {
        const std::uint32_t stream = writer.acquire_slot(1);
        const PageClaim claim = writer.claim_page(stream);
        PageRing::write_header(claim, {stream, 0, 1, 1});
        PageWriter page(writer.ring(), claim);
        page.append(spanring_record_head(SPANRING_REC_BEGIN, writer.intern("open span"), 0));
        page.publish();
        page.append(spanring_record_head(SPANRING_REC_END, 1, 0));  // not published
        (void)writer.claim_page(stream);                            // killed before its header
    });
    ASSERT_TRUE(producer.good());
    producer.reap();
    SegmentReader reader = attach();
    std::vector<PageView> pages;
    ASSERT_TRUE(reader.peek_all(&pages));
    ASSERT_EQ(pages.size(), 1U);
    EXPECT_EQ(pages[0].committed, SPANRING_PAGE_DATA + 8);
    EXPECT_EQ(reader.count_pending()->tracepoints, 1U);
    std::vector<std::string> strings;
    ASSERT_TRUE(reader.read_strings(&strings, 10));
    EXPECT_THAT(strings, ElementsAre("", "open span"));
}

using EndTest = RingTest;

TEST_F(EndTest, a_segment_says_when_it_is_revoked) {
    open_writer();
    SegmentReader reader = attach();
    EXPECT_FALSE(writer.revoked());
    ASSERT_TRUE(reader.revoke());
    EXPECT_TRUE(writer.revoked());
    EXPECT_EQ(*writer.revoked_word(), 1U);
}

TEST_F(EndTest, unlinking_removes_the_file_and_only_the_file_that_was_mapped) {
    open_writer();
    SegmentReader reader = attach();
    SegmentReader late = attach();
    ASSERT_TRUE(reader.unlink());
    EXPECT_THAT(scratch.files(), IsEmpty());
    EXPECT_EQ(reader.unlink().error().code, ErrorCode::kNotFound);
    SegmentWriter other{};
    ASSERT_TRUE(other.open(directory, small_segment()));
    std::filesystem::rename(scratch.path() + "/" + other.file_name(),
                            scratch.path() + "/" + writer.file_name());
    EXPECT_EQ(late.unlink().error().code, ErrorCode::kNotFound) << "another file by now";
    EXPECT_THAT(scratch.files(), ElementsAre(writer.file_name()));
    other.destroy();
}

TEST_F(EndTest, a_quarantined_segment_is_no_longer_listed) {
    open_writer();
    SegmentReader reader = attach();
    ASSERT_TRUE(reader.quarantine());
    EXPECT_THAT(*directory.segments(), IsEmpty());
    EXPECT_THAT(scratch.files(), ElementsAre(std::string(writer.file_name()) + ".quarantined"));
}

TEST(ProcessIdentity, a_command_name_full_of_parentheses_does_not_confuse_it) {
    ProcessStat before;
    ASSERT_TRUE(read_process_stat(0, &before));
    const pid_t child = ::fork();
    if (child == 0) {
        FILE* comm = std::fopen("/proc/self/comm", "w");
        if (comm != nullptr) {
            std::fputs(") Z 1 2) (", comm);
            std::fclose(comm);
        }
        ProcessStat self;
        ::_exit(read_process_stat(0, &self) && self.state == 'R' && self.start_ticks > 0 ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_FALSE(read_process_stat(child, &before)) << "reaped: not visible";
}

}  // namespace
}  // namespace spanring::shm
