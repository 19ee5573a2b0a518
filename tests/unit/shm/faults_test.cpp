// Each call of a ring's life fails in turn, with each error, until a life makes fewer calls: the
// producer has a whole ring or none, what it has published is read once, and nothing is left: no
// half-made file, no descriptor.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>

#include "ring_fixture.hpp"
#include "spanring/base/os.hpp"

namespace spanring::shm {
namespace {

constexpr unsigned kWords = 700;  ///< fill four pages, and the four that the ring grows by

/// Of the two rings: of file and directory.
constexpr std::size_t kStatsBeforeClose = 4;

struct RingFault {
    const char* name;
    int errno_value;
};

void PrintTo(const RingFault& fault, std::ostream* out) {
    *out << fault.name;
}

/// What the consumer does with a ring; where an error stops it, it goes on later.
class Drain {
public:
    Result<void> run(SegmentReader& reader) {
        std::vector<PageView> pages;
        if (auto peeked = reader.peek_all(&pages); !peeked) return peeked;
        for (const PageView& view : pages) {
            std::uint32_t& stored = stored_[{view.page, view.generation}];
            stored = std::max<std::uint32_t>(stored, SPANRING_PAGE_DATA);
            std::vector<std::byte> bytes(view.committed);
            if (auto copied = reader.copy_bytes(view.page, stored, view.committed, bytes.data());
                !copied) {
                return copied;
            }
            for (std::uint32_t at = 0; at < view.committed - stored; at += 8) {
                std::uint64_t word = 0;
                std::memcpy(&word, bytes.data() + at, sizeof word);
                words.push_back(word);
            }
            stored = view.committed;
            if (auto told = reader.set_stored(view.page, view.generation, stored); !told) {
                return told;
            }
            if (view.state != SPANRING_PAGE_FULL) continue;
            if (auto released = reader.release(view.page, view.generation); !released) {
                return released;
            }
        }
        return {};
    }

    std::vector<std::uint64_t> words;

private:
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> stored_;
};

std::size_t descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator("/proc/self/fd")) {
        ++count;
    }
    return count;
}

class RingFaults : public ::testing::TestWithParam<RingFault> {
protected:
    /// A producer writes numbered words until its ring is full, and again when that was read; a
    /// second ring takes over its strings, as after a revocation. Calls may fail.
    void live() {
        auto directory = RingDirectory::open(path_, RingDirectory::Create::kYes);
        if (!directory) return;
        const auto lock = directory->lock_consumer();
        (void)directory->map_doorbell();
        (void)directory->segment_bytes();
        SegmentWriter writer{};
        if (writer.open(*directory, small_segment())) {
            produce(*directory, writer);
            replace(*directory, writer);
        }
        EXPECT_EQ(writer.is_open(), false);
    }

    void produce(const RingDirectory& directory, SegmentWriter& writer) {
        const std::uint32_t stream = writer.acquire_slot(1);
        if (stream == SegmentWriter::kNoSlot) return;
        const std::uint32_t id = writer.intern("a name");
        if (id < SPANRING_ID_INLINE) {
            EXPECT_EQ(writer.string(id), "a name");
        }
        write(writer, stream);
        auto reader =
            SegmentReader::attach(directory, writer.file_name(), SegmentReader::Mode::kReadWrite);
        if (reader) {
            std::vector<std::string> strings;
            (void)reader->read_strings(&strings, 10);
            (void)reader->producer_alive();
            (void)reader->fill();
            (void)drain_.run(*reader);
            write(writer, stream);
            (void)drain_.run(*reader);
            (void)reader->take_barrier();
        }
        writer.release_slot(stream);
    }

    void write(SegmentWriter& writer, std::uint32_t stream) {
        for (unsigned left = kWords; left > 0;) {
            const PageClaim claim = writer.claim_page(stream);
            if (!claim.valid()) {
                if (writer.grow() != Growth::kGrown) return;
                continue;
            }
            PageRing::write_header(claim, {stream, sequence_++, 1000, 1});
            PageWriter page(writer.ring(), claim);
            while (left > 0 && page.append(published_ + 1)) {
                ++published_;
                --left;
            }
            page.publish();
            writer.mark_full(claim, stream);
        }
    }

    void replace(const RingDirectory& directory, SegmentWriter& writer) {
        const std::string file = writer.file_name();
        SegmentWriter next{};
        if (next.open(directory, small_segment())) {
            EXPECT_TRUE(next.copy_strings_from(writer.mapping()));
            // Nobody wrote to it.
            std::filesystem::remove(path_ + "/" + next.file_name());
            next.destroy();
        }
        writer.destroy();
        left_ = file;
    }

    /// The next consumer, without faults: it finds the rest, and removes the file.
    void finish() {
        const auto directory = RingDirectory::open(path_, RingDirectory::Create::kYes);
        ASSERT_TRUE(directory) << directory.error().message;
        if (!left_.empty()) {
            auto reader = SegmentReader::attach(*directory, left_, SegmentReader::Mode::kReadWrite);
            ASSERT_TRUE(reader) << reader.error().message;
            ASSERT_TRUE(drain_.run(*reader));
            EXPECT_TRUE(reader->unlink());
        }
        // Pages come in the order of the ring, not in that of their sequence.
        std::sort(drain_.words.begin(), drain_.words.end());
        ASSERT_EQ(drain_.words.size(), published_);
        for (std::size_t i = 0; i < drain_.words.size(); ++i) EXPECT_EQ(drain_.words[i], i + 1);
        // What could not be removed goes when it is old.
        for (const auto& entry : std::filesystem::directory_iterator(path_)) {
            std::filesystem::last_write_time(
                entry, std::filesystem::file_time_type::clock::now() - std::chrono::minutes(2));
        }
        directory->remove_leftovers();
        for (const auto& entry : std::filesystem::directory_iterator(path_)) {
            const std::string name = entry.path().filename();
            EXPECT_TRUE(name == "control" || name == "doorbell" || name == "consumer.lock") << name;
        }
    }

    ScratchDirectory scratch_;
    std::string path_{scratch_.path() + "/rings"};
    Drain drain_;
    std::uint64_t published_{0};
    std::uint64_t sequence_{0};
    std::string left_;
};

TEST_P(RingFaults, at_the_nth_call_lose_nothing_and_leave_nothing) {
    const std::size_t held = descriptors();
    std::size_t not_closed = 0;
    std::uint64_t most = 0;
    std::uint64_t n = 0;
    for (bool failed = true; failed && !HasFailure();) {
        SCOPED_TRACE("call " + std::to_string(++n));
        std::filesystem::remove_all(path_);
        drain_ = {};
        published_ = sequence_ = 0;
        left_.clear();
        os::inject_fault(os::Call::kAny, n, GetParam().errno_value);
        live();
        failed = os::clear_fault() != 0;
        finish();
        // One is closed if it still is what it was opened as; that it cannot be asked is no yes.
        if (descriptors() > held + not_closed) ++not_closed;
        EXPECT_EQ(descriptors(), held + not_closed);
        most = std::max(most, published_);
    }
    // Both halves, in a ring that has grown.
    EXPECT_EQ(most, 2 * kWords);
    EXPECT_GT(n, 60u);
    EXPECT_LE(not_closed, kStatsBeforeClose);
    RecordProperty("calls", static_cast<int>(n));
}

INSTANTIATE_TEST_SUITE_P(Errors, RingFaults,
                         ::testing::Values(RingFault{"eio", EIO}, RingFault{"enospc", ENOSPC},
                                           RingFault{"eintr", EINTR}, RingFault{"enomem", ENOMEM},
                                           RingFault{"emfile", EMFILE}, RingFault{"eacces", EACCES},
                                           RingFault{"short", os::kShortTransfer}),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace spanring::shm
