// A control page of fuzz bytes, seen by a producer: whatever stands in it, it is refused or gives
// settings that a segment can be made with.
#include <cstring>
#include <filesystem>
#include <memory>

#include "require.hpp"
#include "scratch_folder.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/shm/segment_writer.hpp"

using namespace spanring;
using fuzz::require;

namespace {

struct Page {
    fuzz::ScratchFolder folder;
    std::unique_ptr<shm::RingDirectory> directory;
    spanring_control* words{nullptr};
    spanring_control good{};

    Page() {
        auto opened =
            shm::RingDirectory::open(folder.path() + "/rings", shm::RingDirectory::Create::kYes);
        require(opened.ok(), "a ring directory is made");
        directory = std::make_unique<shm::RingDirectory>(std::move(*opened));
        auto control = directory->map_control(Mapping::Access::kReadWrite);
        require(control.ok(), "a control page is made");
        words = control->release();
        good = *words;
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    static Page page;
    *page.words = page.good;
    std::memcpy(reinterpret_cast<char*>(page.words), data,
                count < sizeof *page.words ? count : sizeof *page.words);
    // Nearly every input would be refused by these.
    if (count % 8 != 0) {
        page.words->magic = page.good.magic;
        page.words->abi_major = page.good.abi_major;
    }
    const auto control = page.directory->map_control(Mapping::Access::kRead);
    if (!control) {
        require(control.error().message.find('\n') == std::string::npos, "an error is one line");
        return 0;
    }
    const shm::ControlSettings settings = control->settings();
    (void)control->enabled();
    (void)control->counts();
    (void)control->clock_line();
    shm::SegmentOptions options;
    if (settings.ring_bytes_max != 0) options.ring_bytes_max = settings.ring_bytes_max;
    if (settings.page_bytes != 0) options.page_bytes = settings.page_bytes;
    options.ring_bytes_initial = 0;
    options.directory_bytes_max = settings.directory_bytes_max;
    options.host_key = control->host_key();
    options.boot_id = control->boot_id();
    // Making one takes a millisecond: not for every input.
    if (count % 64 != 1) return 0;
    shm::SegmentWriter writer;
    if (!writer.open(*page.directory, options)) return 0;
    require(writer.claim_page(writer.acquire_slot(1)).valid(), "a new segment has a page");
    std::filesystem::remove(page.directory->path() + "/" + writer.file_name());
    writer.destroy();
    return 0;
}
