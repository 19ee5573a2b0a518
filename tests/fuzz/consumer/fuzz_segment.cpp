// A whole segment of fuzz bytes, drained as the consumer drains it, with writes in place between
// the turns (HAZARDS row 18).
//
// The file starts as a small right one, so that inputs get beyond the attach; from then on every
// word of it is the input's. Whatever it holds: no crash, errors that quarantine, bounded work.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "record_maker.hpp"
#include "require.hpp"
#include "scratch_folder.hpp"
#include "segment.hpp"
#include "spanring/abi/page_layout.h"
#include "spanring/abi/segment_layout.h"
#include "spanring/shm/directory.hpp"

namespace spanring::consumer {
namespace {

using fuzz::kStreams;
using fuzz::require;

constexpr std::uint32_t kPages = 4;
constexpr std::uint32_t kPageBytes = 1024;
constexpr std::uint32_t kStrings = 8;
constexpr std::uint32_t kRegionBytes = 512;
/// One page more than this may be copied in a turn.
constexpr std::size_t kBudget = 2 * kPageBytes;
constexpr int kStepsMax = 200;

/// The regions behind the header; small, so that random offsets hit.
struct Image {
    spanring_segment_header header;
    std::uint8_t resource[kRegionBytes];
    std::uint32_t string_index[kStrings];
    std::uint8_t string_data[kRegionBytes];
    spanring_thread_slot slots[kStreams];
    std::uint64_t states[kPages];
    std::uint64_t stored[kPages];
    std::uint8_t pages[kPages][kPageBytes];
};
static_assert(sizeof(Image) % 8 == 0);

void fill_header(spanring_segment_header& h) {
    h.magic = SPANRING_SEGMENT_MAGIC;
    h.abi_major = SPANRING_ABI_MAJOR;
    h.header_bytes = sizeof h;
    h.fingerprint = SPANRING_LAYOUT_FINGERPRINT;
    h.segment_bytes = sizeof(Image);
    h.pid = static_cast<std::uint32_t>(::getpid());
    h.clock_kind = SPANRING_CLOCK_MONOTONIC;
    h.resource_offset = offsetof(Image, resource);
    h.resource_bytes_max = kRegionBytes;
    h.string_index_offset = offsetof(Image, string_index);
    h.string_data_offset = offsetof(Image, string_data);
    h.string_data_bytes_max = kRegionBytes;
    h.slot_offset = offsetof(Image, slots);
    h.state_offset = offsetof(Image, states);
    h.stored_offset = offsetof(Image, stored);
    h.page_offset = offsetof(Image, pages);
    h.strings_max = h.strings_count = kStrings;
    h.slots_max = h.slots_declared = kStreams;
    h.pages_max = h.pages_declared = kPages;
    h.page_bytes = kPageBytes;
    h.ready = 1;
}

/// The file, its directory and the writable mapping of it; one for the life of the fuzzer.
class File {
public:
    File() {
        directory_ = std::make_unique<shm::RingDirectory>(
            std::move(*shm::RingDirectory::open(folder_.path(), shm::RingDirectory::Create::kNo)));
        fd_ = ::open((folder_.path() + "/" + kName).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        require(fd_ >= 0 && ::ftruncate(fd_, sizeof(Image)) == 0, "the file is made");
        void* at = ::mmap(nullptr, sizeof(Image), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
        require(at != MAP_FAILED, "the file is mapped");
        image_ = static_cast<Image*>(at);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    Image& fresh() {
        std::memset(image_, 0, sizeof *image_);
        fill_header(image_->header);
        for (std::uint32_t i = 0; i < kStrings; ++i) {
            image_->string_index[i] = i * 8;
            image_->string_data[i * 8] = static_cast<std::uint8_t>(i % 5);
            image_->string_data[i * 8 + 4] = 'a';
        }
        return *image_;
    }
    [[nodiscard]] Result<shm::SegmentReader> attach() const {
        return shm::SegmentReader::attach(*directory_, kName, shm::SegmentReader::Mode::kReadWrite);
    }

private:
    static constexpr const char* kName = "1-fuzz.seg";
    fuzz::ScratchFolder folder_;
    std::unique_ptr<shm::RingDirectory> directory_;
    int fd_{-1};
    Image* image_{nullptr};
};

class Run {
public:
    Run(FuzzedDataProvider& in, File& file) : in_(in), file_(file), image_(file.fresh()) {}

    void go() {
        // Before the attach only a few: hardly any random header is accepted.
        for (std::uint32_t i = in_.ConsumeIntegralInRange<std::uint32_t>(0, 4); i > 0; --i) {
            write();
        }
        auto reader = file_.attach();
        if (!reader) return;
        segment_ = std::make_unique<Segment>(std::move(*reader), 1,
                                             clocks_.of(SPANRING_CLOCK_MONOTONIC), Limits{});
        bool good = true;
        for (int i = 0; i < kStepsMax && good && in_.remaining_bytes() != 0; ++i) good = step();
        segment_->assembler().close(rows_);
        require(segment_->assembler().open_spans() == 0, "nothing is open after close");
        take();
    }

private:
    bool step() {
        switch (in_.ConsumeIntegralInRange<int>(0, 9)) {
            case 0:
            case 1:
            case 2: publish(); return true;
            case 3: write(); return true;
            case 4: return commit();
            case 5: return look_around();
            default: return turn();
        }
    }
    /// Any word of the file, the header's included.
    void write() {
        auto* words = reinterpret_cast<std::uint64_t*>(&image_);
        const auto at = in_.ConsumeIntegralInRange<std::size_t>(0, sizeof(Image) / 8 - 1);
        words[at] = in_.ConsumeBool() ? in_.ConsumeIntegral<std::uint64_t>()
                                      : in_.ConsumeIntegralInRange<std::uint64_t>(0, 2048);
    }
    /// What a producer does, well or badly: a page of records, its header and its state.
    void publish() {
        const auto page = in_.ConsumeIntegralInRange<std::uint32_t>(0, kPages - 1);
        auto& header = *reinterpret_cast<spanring_page_header*>(image_.pages[page]);
        std::vector<std::byte> records;
        for (int i = in_.ConsumeIntegralInRange<int>(0, 12); i > 0; --i) {
            in_.ConsumeIntegralInRange<int>(0, 9) == 0 ? fuzz::put_raw(in_, records)
                                                       : fuzz::put_record(in_, records);
        }
        const bool goes_on = in_.ConsumeBool();
        if (!goes_on) {
            header.generation += 1;
            header.stream = in_.ConsumeIntegralInRange<std::uint32_t>(0, kStreams - 1);
            header.sequence = in_.ConsumeIntegralInRange<std::uint64_t>(0, 9);
            header.base_ticks = in_.ConsumeIntegral<std::uint32_t>();
            header.first_ordinal = in_.ConsumeIntegralInRange<std::uint64_t>(1, 30);
            header.committed = spanring_page_mark(header.generation, SPANRING_PAGE_DATA);
        }
        const std::uint32_t from = spanring_page_mark_bytes(header.committed);
        if (from < SPANRING_PAGE_DATA || from > kPageBytes) return;
        const std::size_t room = std::min<std::size_t>(records.size(), kPageBytes - from);
        if (room != 0) std::memcpy(image_.pages[page] + from, records.data(), room);
        header.committed =
            spanring_page_mark(header.generation, from + static_cast<std::uint32_t>(room));
        image_.states[page] =
            spanring_page_state(header.generation, header.stream,
                                in_.ConsumeBool() ? SPANRING_PAGE_WRITING : SPANRING_PAGE_FULL);
    }
    bool turn() {
        (void)segment_->has_news();
        const auto drained = segment_->drain(rows_, kBudget);
        if (!drained) return false;
        require(drained->bytes <= kBudget + kPageBytes, "a turn copies no more than its budget");
        if (!segment_->end_turn(*drained, rows_)) return false;
        store::InstanceDelta delta;
        (void)segment_->fill_delta(in_.ConsumeBool(), delta);
        require(delta.pages.size() <= segment_->identity().pages_max, "a position for each page");
        marks_.push_back(segment_->take_marks());
        take();
        return true;
    }
    /// Later than the turns: they are on their way through the database.
    bool commit() {
        for (const SegmentMarks& marks : std::exchange(marks_, {})) {
            if (!segment_->commit(marks)) return false;
        }
        return true;
    }
    bool look_around() {
        (void)segment_->refresh_losses();
        (void)segment_->take_idle_pages();
        (void)segment_->reader().count_pending();
        return segment_->refresh_resource().ok();
    }
    void take() {
        for (const auto& batch : rows_.take()) {
            const auto bytes = codec::encode(*batch);
            require(bytes.ok(), "rows encode");
            const auto read = codec::decode(*bytes);
            require(read.ok() && read->rows.size() == batch->rows.size(), "rows decode");
        }
    }

    FuzzedDataProvider& in_;
    File& file_;
    Image& image_;
    Clocks clocks_;
    RowSink rows_;
    std::unique_ptr<Segment> segment_;
    std::vector<SegmentMarks> marks_;
};

}  // namespace
}  // namespace spanring::consumer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    static spanring::consumer::File file;
    FuzzedDataProvider in(data, count);
    spanring::consumer::Run(in, file).go();
    return 0;
}
