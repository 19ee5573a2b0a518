// Each call that shm makes in the life of a ring fails in turn, kind by kind and with several
// errors, until a life makes fewer of that kind. The fault passes: what failed is tried once more
// and works then, so that a life always comes to its end, with everything that was published.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <type_traits>
#include <utility>

#include "call_faults.hpp"
#include "ring_fixture.hpp"
#include "spanring/base/os.hpp"
#include "spanring/shm/clock.hpp"
#include "spanring/shm/doorbell.hpp"
#include "spanring/shm/notices.hpp"

namespace spanring::shm {
namespace {

using testing::CallError;
using testing::CallFault;
using ::testing::IsEmpty;
using ::testing::IsSubsetOf;
using testing::open_descriptors;
using ::testing::UnorderedElementsAreArray;

constexpr int kThreads = 20;  ///< more than one reservation of slots is for (16)
constexpr int kNames = 8;
constexpr std::size_t kNameBytes = 3000;  ///< more than one reservation of strings is for

/// What a forked child has done, in memory that both see.
struct ChildReport {
    std::uint64_t failed_calls;
    std::uint64_t words;
    int problems;
};

/// Standard output and error of this process, to its end.
class Terminal {
public:
    Terminal() : written_(::memfd_create("terminal", MFD_CLOEXEC)) {
        for (int fd : {1, 2}) kept_[fd] = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
        for (int fd : {1, 2}) ::dup2(written_.get(), fd);
    }
    ~Terminal() {
        for (int fd : {1, 2}) {
            ::dup2(kept_[fd], fd);
            ::close(kept_[fd]);
        }
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    [[nodiscard]] off_t bytes_written() const { return ::lseek(written_.get(), 0, SEEK_END); }

private:
    UniqueFd written_;
    int kept_[3]{};
};

/// One ring from its directory to its removal, with both sides in this process.
class RingLife {
public:
    RingLife(std::string path, ChildReport* child) : path_(std::move(path)), child_(child) {}

    void run() {
        directory_.emplace(again([&] { return RingDirectory::open(path_, Create::kYes); }));
        serve();
        begin(writer_);
        write(writer_);
        drain(writer_);
        fork_one();
        write(writer_);
        replace();
        write(writer_);
        drain(writer_);
        writer_.destroy();
        sweep();
    }

    std::vector<std::uint64_t> published;
    std::vector<std::uint64_t> drained;
    std::uint64_t lost{0};  ///< no page was to be had
    std::vector<std::string> problems;

private:
    using Create = RingDirectory::Create;

    static std::string error_of(const Result<void>& result) { return result.error().message; }

    /// Makes the call, and once more if it fails.
    template <typename Call>
    auto again(Call&& call) -> std::remove_cvref_t<decltype(*call())> {
        auto first = call();
        if (first) return *std::move(first);
        auto second = call();
        if (!second) problems.push_back("twice: " + second.error().message);
        return *std::move(second);
    }
    template <typename Call>
    void done(Call&& call) {
        if (call().ok()) return;
        if (const Result<void> second = call(); !second) problems.push_back(error_of(second));
    }
    void expect(bool good, const char* what) {
        if (!good) problems.emplace_back(what);
    }

    /// What a consumer does at its start.
    void serve() {
        control_ = again([&] { return directory_->map_control(Mapping::Access::kReadWrite); });
        bell_ = again([&] { return directory_->map_doorbell(); });
        lock_.emplace(again([&] { return directory_->lock_consumer(); }));
        control_.set_enabled(true);
        const std::vector<Notice> notices{
            {.kind = Notice::Kind::kRefused, .process = "p", .file = "f", .reason = "r"}};
        done([&] { return write_notices(*directory_, notices); });
        expect(again([&] { return read_notices(*directory_); }).size() == 1, "no notice");
        expect(again([&] { return directory_->consumer_pid(); }) == ::getpid(), "no consumer");
        again([&] { return directory_->segment_bytes(); });
    }

    SegmentOptions options() const {
        SegmentOptions options = small_segment();
        options.host_key = control_.host_key();
        options.boot_id = control_.boot_id();
        options.clock_kind = clock_kind();
        options.membarrier = register_membarrier() || register_membarrier();
        return options;
    }

    void begin(SegmentWriter& writer) {
        done([&] { return writer.open(*directory_, options()); });
        for (int i = 0; i < kNames; ++i) intern(writer, std::string(kNameBytes, char('a' + i)));
    }

    /// A string that cannot be interned stands inline; the next attempt finds room.
    void intern(SegmentWriter& writer, const std::string& name) {
        std::uint32_t id = writer.intern(name);
        if (id == SPANRING_ID_INLINE) id = writer.intern(name);
        expect(writer.string(id) == name, "a string is another");
    }

    /// Threads that come and go, each with pages of its own; the ring grows to its end.
    void write(SegmentWriter& writer) {
        std::vector<std::uint32_t> slots;
        while (slots.size() < kThreads) {
            slots.push_back(again([&]() -> Result<std::uint32_t> {
                const std::uint32_t slot = writer.acquire_slot(1);
                if (slot == SegmentWriter::kNoSlot) return Error{ErrorCode::kNoSpace, "slot"};
                return slot;
            }));
        }
        for (const std::uint32_t slot : slots) write_page(writer, slot);
        for (const std::uint32_t slot : slots) writer.release_slot(slot);
    }

    void write_page(SegmentWriter& writer, std::uint32_t stream) {
        const std::uint64_t word = ++words_;
        PageClaim claim = writer.claim_page(stream);
        if (!claim.valid() && writer.grow() == Growth::kGrown) claim = writer.claim_page(stream);
        if (!claim.valid()) {
            ++lost;
            return;
        }
        PageRing::write_header(claim, {stream, sequences_[stream]++, 1, 1});
        PageWriter page(writer.ring(), claim);
        page.append(word);
        page.publish();
        published.push_back(word);
        if (word % 4 != 0) writer.mark_full(claim, stream);
    }

    SegmentReader attach(const std::string& name) {
        return again([&] {
            return SegmentReader::attach(*directory_, name, SegmentReader::Mode::kReadWrite);
        });
    }

    /// Reads and releases all of a segment, as the consumer does in its turns.
    void drain(const SegmentWriter& writer) {
        SegmentReader reader = attach(writer.file_name());
        expect(reader.take_barrier() || reader.take_barrier(), "no barrier");
        drain_pages(reader, stored_[writer.file_name()]);
    }

    void drain_pages(SegmentReader& reader, std::set<std::uint64_t>& stored) {
        std::vector<PageView> pages;
        done([&] { return reader.peek_all(&pages); });
        for (const PageView& view : pages) {
            std::uint64_t word = 0;
            if (view.committed != SPANRING_PAGE_DATA + sizeof word) {
                problems.emplace_back("a page of another length");
                continue;
            }
            done([&] {
                return reader.copy_bytes(view.page, SPANRING_PAGE_DATA, view.committed,
                                         reinterpret_cast<std::byte*>(&word));
            });
            if (stored.insert(word).second) drained.push_back(word);
            done([&] { return reader.set_stored(view.page, view.generation, view.committed); });
            if (view.state != SPANRING_PAGE_FULL) continue;
            done([&] { return reader.release(view.page, view.generation); });
        }
    }

    /// A child is a producer of its own, in the same directory.
    void fork_one() {
        const SegmentMapping inherited = writer_.mapping();
        const pid_t pid = ::fork();
        if (pid == 0) {
            std::memset(static_cast<void*>(&writer_), 0, sizeof writer_);
            published.clear();
            problems.clear();
            begin(writer_);
            write_page(writer_, 0);
            writer_.destroy();
            SegmentMapping released = inherited;
            release_mapping(released);
            child_->failed_calls = os::clear_fault();
            child_->words = published.size();
            child_->problems = static_cast<int>(problems.size());
            ::_exit(0);
        }
        int status = -1;
        expect(::waitpid(pid, &status, 0) == pid && status == 0, "the child's end");
        expect(child_->problems == 0, "a problem of the child's");
        // The child had the same next number.
        for (std::uint64_t i = 0; i < child_->words; ++i) published.push_back(++words_);
    }

    /// The segment is revoked, and its writer makes another one with the same strings.
    void replace() {
        std::string older = writer_.file_name();
        SegmentReader reader = attach(older);
        done([&] { return reader.revoke(); });
        expect(writer_.revoked(), "not revoked");
        SegmentWriter fresh{};
        while (!fresh.is_open()) {
            done([&] { return fresh.open(*directory_, options()); });
            if (fresh.copy_strings_from(writer_.mapping())) break;
            // As the producer does: the next attempt makes another one.
            os::unlink_at(directory_->fd(), fresh.file_name());
            fresh.destroy();
        }
        expect(fresh.string(kNames) == writer_.string(kNames), "a string has another number");
        drain_pages(reader, stored_[older]);
        writer_.destroy();
        writer_ = fresh;
        sequences_.clear();
    }

    /// What a consumer does with rings whose processes have gone.
    void sweep() {
        for (const std::string& name : again([&] { return directory_->segments(); })) {
            SegmentReader reader = attach(name);
            (void)reader.producer_alive();
            drain_pages(reader, stored_[name]);
            const std::string pid = std::to_string(::getpid()) + "-";
            if (name.rfind(pid, 0) == 0) {
                done([&] { return reader.unlink(); });
            } else {
                done([&] { return reader.quarantine(); });  // the child's
            }
        }
        again([&] { return directory_->quarantined(); });
        directory_->limit_quarantined();
        directory_->remove_leftovers();
    }

    std::string path_;
    ChildReport* child_;
    std::optional<RingDirectory> directory_;
    ControlPage control_;
    Mapping bell_;
    std::optional<ConsumerLock> lock_;
    SegmentWriter writer_{};
    std::map<std::uint32_t, std::uint64_t> sequences_;
    std::map<std::string, std::set<std::uint64_t>> stored_;
    std::uint64_t words_{0};
};

class RingFaults : public ::testing::TestWithParam<CallError> {
protected:
    RingFaults() {
        child_ = static_cast<ChildReport*>(::mmap(nullptr, sizeof *child_, PROT_READ | PROT_WRITE,
                                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    }
    ~RingFaults() override { ::munmap(child_, sizeof *child_); }

    /// Returns whether the call was reached.
    bool survives(const CallFault& fault) {
        *child_ = {};
        const std::size_t descriptors = open_descriptors();
        off_t written = 0;
        std::uint64_t failed_calls = 0;
        std::optional<RingLife> life;
        life.emplace(scratch_.path() + "/ring", child_);
        {
            const Terminal terminal;
            os::inject_fault(fault.call, fault.nth, fault.errno_value);
            life->run();
            failed_calls = os::clear_fault() + child_->failed_calls;
            written = terminal.bytes_written();
        }
        EXPECT_EQ(written, 0) << "bytes of output";
        EXPECT_THAT(life->problems, IsEmpty());
        EXPECT_THAT(life->drained, UnorderedElementsAreArray(life->published));
        EXPECT_GT(life->published.size(), 8U);
        EXPECT_GT(life->lost, 0U) << "the ring was never full";
        life.reset();
        // Who cannot examine a descriptor does not close it: it may be the application's by now.
        const std::size_t unknown = fault.call == os::Call::kStat ? 1 : 0;
        EXPECT_LE(open_descriptors(), descriptors + unknown);
        leaves_no_half_made_file(fault);
        return failed_calls != 0;
    }

    void leaves_no_half_made_file(const CallFault& fault) {
        const std::string ring = scratch_.path() + "/ring";
        std::vector<std::string> left;
        for (const auto& entry : std::filesystem::directory_iterator(ring)) {
            const std::string name = entry.path().filename();
            if (name.rfind(".new-", 0) != 0) left.push_back(name);
            // Only the removal itself can fail to remove; the sweep comes for that one.
            if (name.rfind(".new-", 0) == 0) {
                EXPECT_EQ(fault.call, os::Call::kUnlink) << name;
                std::filesystem::last_write_time(
                    entry.path(), std::filesystem::file_time_type::clock::now() - kOld);
            }
        }
        const auto directory = RingDirectory::open(ring, RingDirectory::Create::kNo);
        ASSERT_TRUE(directory);
        directory->remove_leftovers();
        for (const auto& entry : std::filesystem::directory_iterator(ring)) {
            const std::string name = entry.path().filename();
            EXPECT_NE(name.rfind(".new-", 0), 0U) << name << " is not swept";
            if (name.ends_with(kQuarantinedSuffix)) std::filesystem::remove(entry.path());
        }
        std::erase_if(left, [](const auto& name) { return name.ends_with(kQuarantinedSuffix); });
        EXPECT_THAT(left, ::testing::UnorderedElementsAre("control", "doorbell", "consumer.lock",
                                                          "notices"));
    }

    static constexpr std::chrono::minutes kOld{5};
    ScratchDirectory scratch_;
    ChildReport* child_;
};

TEST_P(RingFaults, at_the_nth_call_lose_and_leave_nothing) {
    const std::uint64_t failed =
        testing::fail_each_call(GetParam().second, 1, [this](const CallFault& fault) {
            // Every second one finds what the one before has left: the fixed files.
            if (fault.nth % 2 == 0) std::filesystem::remove_all(scratch_.path() + "/ring");
            return survives(fault);
        });
    if (HasFailure()) return;
    EXPECT_GT(failed, GetParam().second == os::kShortTransfer ? 10U : 100U);
}

INSTANTIATE_TEST_SUITE_P(Errors, RingFaults, testing::call_errors(), testing::name_of);

}  // namespace
}  // namespace spanring::shm
