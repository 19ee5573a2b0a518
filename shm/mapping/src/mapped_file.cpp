#include "mapped_file.hpp"

#include <boost/interprocess/detail/os_file_functions.hpp>
#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <cerrno>
#include <utility>

#include "spanring/base/os.hpp"

namespace spanring::shm {
namespace {

namespace bip = boost::interprocess;

/// Boost's own file_mapping opens by path and follows links; we hold a checked descriptor.
class DescriptorMappable {
public:
    DescriptorMappable(int fd, bip::mode_t mode) : fd_(fd), mode_(mode) {}
    [[nodiscard]] bip::mapping_handle_t get_mapping_handle() const {
        return bip::ipcdetail::mapping_handle_from_file_handle(fd_);
    }
    [[nodiscard]] bip::mode_t get_mode() const { return mode_; }

private:
    int fd_;
    bip::mode_t mode_;
};

}  // namespace

struct MappedFile::Region {
    bip::mapped_region mapping;
};

MappedFile::MappedFile(UniqueFd fd, std::unique_ptr<Region> region) noexcept
    : fd_(std::move(fd)),
      region_(std::move(region)),
      data_(static_cast<std::byte*>(region_->mapping.get_address())) {}
MappedFile::MappedFile(MappedFile&&) noexcept = default;
MappedFile& MappedFile::operator=(MappedFile&&) noexcept = default;
MappedFile::~MappedFile() = default;

Result<MappedFile> MappedFile::map(UniqueFd fd, std::size_t bytes, bool writable) {
    // Boost makes the call.
    if (os::injected(os::Call::kMap)) return os_error(errno, "cannot map segment");
    try {
        const bip::mode_t mode = writable ? bip::read_write : bip::read_only;
        auto region = std::make_unique<Region>();
        region->mapping = bip::mapped_region(DescriptorMappable(fd.get(), mode), mode, 0, bytes);
        return MappedFile(std::move(fd), std::move(region));
    } catch (const bip::interprocess_exception& exception) {
        return os_error(static_cast<int>(exception.get_native_error()), "cannot map segment");
    } catch (const std::bad_alloc&) {
        return Error{ErrorCode::kNoSpace, "cannot map segment: no memory"};
    }
}

}  // namespace spanring::shm
