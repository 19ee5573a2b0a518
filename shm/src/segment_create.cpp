// The birth and the end of a segment.

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <type_traits>

#include "segment_plan.hpp"
#include "spanring/base/clock.hpp"
#include "spanring/base/os.hpp"
#include "spanring/base/testpoint.hpp"
#include "spanring/base/unique_fd.hpp"
#include "spanring/shm/process_identity.hpp"
#include "spanring/shm/segment_writer.hpp"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // Linux 5.14; Debian 12's libc knows it, older ones do not
#endif

namespace spanring::shm {
namespace {

static_assert(std::is_trivially_destructible_v<SegmentWriter>,
              "a forked child's writer is wiped, not destroyed");

constexpr mode_t kSegmentMode = 0660;  // the owner and, system-wide, the daemon's group

Result<void> check_options(const SegmentOptions& options) {
    const auto invalid = [](const char* what) { return Error{ErrorCode::kInvalidArgument, what}; };
    if (!std::has_single_bit(options.page_bytes) || options.page_bytes < SPANRING_PAGE_BYTES_MIN ||
        options.page_bytes > SPANRING_PAGE_BYTES_MAX) {
        return invalid("page_bytes must be a power of two from 1024 to 65536");
    }
    if (options.ring_bytes_max < options.page_bytes || options.ring_bytes_max > kRingBytesLimit) {
        return invalid("ring_bytes_max must be from one page to 1 GiB");
    }
    if (options.slots_max == 0 || options.slots_max > kSlotsLimit) {
        return invalid("slots_max must be from 1 to 65536");
    }
    if (options.strings_max == 0 || options.strings_max > SPANRING_STRINGS_MAX) {
        return invalid("strings_max must be from 1 to 16777214");
    }
    if (options.resource.size() > kResourceBytesMax) {
        return invalid("the resource attributes take more than 64 KiB");
    }
    return {};
}

void format_name(char (&out)[64], const char* prefix, const InstanceId& instance) {
    int length = ::snprintf(out, sizeof out, "%s%d-", prefix, static_cast<int>(::getpid()));
    for (const std::uint8_t byte : instance.bytes) {
        length +=
            ::snprintf(out + length, sizeof out - static_cast<std::size_t>(length), "%02x", byte);
    }
    ::snprintf(out + length, sizeof out - static_cast<std::size_t>(length), "%s",
               SPANRING_SEGMENT_SUFFIX);
}

/// A table of this process alone. A forked child does not get it: its writer starts anew, and
/// nobody could free what the wiped writer pointed to.
void* private_table(std::uint64_t bytes) {
    void* data =
        os::map(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return nullptr;
    if (os::advise(data, bytes, MADV_DONTFORK) == 0) return data;
    const int error = errno;
    os::unmap(data, bytes);
    errno = error;
    return nullptr;
}

std::uint64_t string_table_bytes(std::uint32_t mask) {
    return (std::uint64_t{mask} + 1) * sizeof(std::uint64_t);
}

}  // namespace

Result<void> SegmentWriter::open(const RingDirectory& directory, const SegmentOptions& options) {
    if (Result<void> checked = check_options(options); !checked) return checked;
    std::memset(static_cast<void*>(this), 0, sizeof *this);
    mapping_.fd = -1;
    directory_fd_ = -1;
    if (os::random_bytes(instance_.bytes.data(), instance_.bytes.size()) != 0 ||
        os::random_bytes(span_key_.data(), span_key_.size()) != 0) {
        return os_error(errno, "cannot get random bytes");
    }
    char temporary[64];
    format_name(temporary, ".new-", instance_);
    format_name(file_name_, "", instance_);

    Result<void> made = prepare(directory, temporary, options);
    if (made) {
        fill_header(options);
        SPANRING_TESTPOINT("segment.filled");
        // release: pairs with the acquire of `ready` in a reader's attach: the last word of all.
        RealAtomics::store(header()->ready, 1U, std::memory_order_release);
        SPANRING_TESTPOINT("segment.ready");
        if (os::rename_at(directory.fd(), temporary, directory.fd(), file_name_,
                          RENAME_NOREPLACE) != 0) {
            made = os_error(errno, "cannot name the segment");
        }
    }
    if (!made) {
        if (mapping_.fd >= 0) os::unlink_at(directory.fd(), temporary);
        destroy();
        return std::move(made).error().in("segment in " + directory.path());
    }
    SPANRING_TESTPOINT("segment.named");
    return {};
}

Result<void> SegmentWriter::prepare(const RingDirectory& directory, const char* temporary,
                                    const SegmentOptions& options) {
    const SegmentPlan plan = plan_segment(options);
    directory_bytes_max_ = options.directory_bytes_max;
    if (!directory.may_reserve(std::uint64_t{plan.pages_initial} * options.page_bytes,
                               directory_bytes_max_)) {
        return Error{ErrorCode::kNoSpace, "no consumer is running and the segments have reached " +
                                              std::to_string(directory_bytes_max_) + " bytes"};
    }
    directory_fd_ = os::open_at(directory.fd(), ".", O_PATH | O_DIRECTORY);
    struct stat info;
    if (directory_fd_ < 0 || os::stat_fd(directory_fd_, &info) != 0) {
        return os_error(errno, "cannot open the directory");
    }
    directory_ = {info.st_dev, info.st_ino};
    if (Result<void> made = make_file(directory, temporary, plan.segment_bytes); !made) return made;

    string_table_mask_ = std::bit_ceil(options.strings_max) * 2 - 1;  // at most half full
    string_table_ =
        static_cast<std::uint64_t*>(private_table(string_table_bytes(string_table_mask_)));
    slots_max_ = options.slots_max;
    free_slots_ = static_cast<std::uint32_t*>(
        string_table_ == nullptr
            ? nullptr
            : private_table(std::uint64_t{slots_max_} * sizeof(std::uint32_t)));
    if (free_slots_ == nullptr) return os_error(errno, "cannot get memory");

    strings_max_ = options.strings_max;
    string_data_bytes_max_ = kStringDataBytesMax;
    host_key_ = options.host_key;
    clock_kind_ = options.clock_kind;
    pages_max_ = plan.pages_max;
    ring_.page_bytes = options.page_bytes;
    ring_.states = reinterpret_cast<std::uint64_t*>(mapping_.data + plan.state_offset);
    ring_.stored = reinterpret_cast<std::uint64_t*>(mapping_.data + plan.stored_offset);
    ring_.pages = mapping_.data + plan.page_offset;

    // Header, resource and the first string in one piece, as they lie together; then the words of
    // all pages (8 bytes each), and the first pages.
    const std::uint64_t ring_end =
        plan.page_offset + std::uint64_t{plan.pages_initial} * options.page_bytes;
    if (!reserve(0, plan.resource_offset + options.resource.size()) ||
        !reserve(plan.string_index_offset, plan.string_index_offset + 1) ||
        !reserve(plan.string_data_offset, plan.string_data_offset + 1) ||
        !reserve(plan.state_offset, ring_end)) {
        return os_error(errno, "cannot reserve memory");
    }
    string_index_reserved_ = kRegionBytes;
    string_data_reserved_ = kRegionBytes;
    return {};
}

Result<void> SegmentWriter::make_file(const RingDirectory& directory, const char* temporary,
                                      std::uint64_t bytes) {
    mapping_.fd = os::open_at(directory.fd(), temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
                              kSegmentMode);
    if (mapping_.fd < 0) return os_error(errno, "cannot create the file");
    struct stat info;
    if (os::stat_fd(mapping_.fd, &info) != 0) return os_error(errno, "cannot examine the file");
    mapping_.file = {info.st_dev, info.st_ino};
    // open's mode is subject to the umask, which is the application's.
    if (os::change_mode(mapping_.fd, kSegmentMode) != 0) {
        return os_error(errno, "cannot set the file's mode");
    }
    SPANRING_TESTPOINT("segment.created");
    if (os::lock_record(mapping_.fd) != 0) return os_error(errno, "cannot lock the file");
    if (os::truncate(mapping_.fd, static_cast<off_t>(bytes)) != 0) {
        return os_error(errno, "cannot set the file's length");
    }
    void* data = os::map(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, mapping_.fd, 0);
    if (data == MAP_FAILED) return os_error(errno, "cannot map the file");
    mapping_.data = static_cast<std::byte*>(data);
    mapping_.bytes = bytes;
    return {};
}

void SegmentWriter::fill_header(const SegmentOptions& options) noexcept {
    const SegmentPlan plan = plan_segment(options);
    spanring_segment_header& h = *header();
    h.magic = SPANRING_SEGMENT_MAGIC;
    h.abi_major = SPANRING_ABI_MAJOR;
    h.abi_minor = SPANRING_ABI_MINOR;
    h.header_bytes = sizeof h;
    h.fingerprint = SPANRING_LAYOUT_FINGERPRINT;
    h.segment_bytes = plan.segment_bytes;
    std::memcpy(h.instance_id, instance_.bytes.data(), sizeof h.instance_id);
    std::memcpy(h.span_key, span_key_.data(), sizeof h.span_key);
    std::memcpy(h.host_key, options.host_key.data(), sizeof h.host_key);
    std::memcpy(h.boot_id, options.boot_id.data(), sizeof h.boot_id);
    ProcessStat self;
    read_process_stat(0, &self);  // not visible: 0, and liveness rests on the lock
    h.pid_start_ticks = self.start_ticks;
    h.pid = static_cast<std::uint32_t>(::getpid());
    h.uid = ::geteuid();
    h.created_realtime_ns = static_cast<std::uint64_t>(wall_clock_ns());
    h.clock_kind = options.clock_kind;
    h.policy = options.policy;
    h.resource_offset = plan.resource_offset;
    h.resource_bytes_max = kResourceBytesMax;
    h.string_index_offset = plan.string_index_offset;
    h.string_data_offset = plan.string_data_offset;
    h.string_data_bytes_max = kStringDataBytesMax;
    h.slot_offset = plan.slot_offset;
    h.state_offset = plan.state_offset;
    h.stored_offset = plan.stored_offset;
    h.page_offset = plan.page_offset;
    h.strings_max = options.strings_max;
    h.slots_max = options.slots_max;
    h.pages_max = plan.pages_max;
    h.page_bytes = options.page_bytes;
    std::memcpy(h.parent_instance_id, options.parent.bytes.data(), sizeof h.parent_instance_id);
    // All zero before, so it ends with one.
    options.process_name.copy(reinterpret_cast<char*>(h.process_name), sizeof h.process_name - 1);
    const std::uint32_t registered =
        options.rings ? SPANRING_MEMBARRIER_RINGS : SPANRING_MEMBARRIER_SILENT;
    h.membarrier = options.membarrier ? registered : SPANRING_MEMBARRIER_NONE;
    if (!options.resource.empty()) {
        std::memcpy(mapping_.data + plan.resource_offset, options.resource.data(),
                    options.resource.size());
    }
    h.resource_bytes = static_cast<std::uint32_t>(options.resource.size());
    // String 0, the empty one: its index and its length are zeros already.
    h.strings_count = 1;
    h.string_data_bytes = sizeof(std::uint32_t);
    h.pages_declared = plan.pages_initial;
}

bool SegmentWriter::reserve(std::uint64_t from, std::uint64_t to) noexcept {
    const std::uint64_t begin = from & ~(kRegionBytes - 1);
    const std::uint64_t bytes = region_round(to) - begin;
    const bool reserved = mapping_.file.is(mapping_.fd);
    if (reserved &&
        os::allocate(mapping_.fd, static_cast<off_t>(begin), static_cast<off_t>(bytes)) != 0) {
        return false;
    }
    // Also fills in our page table, so that no tracepoint faults. A kernel without it (EINVAL) only
    // costs faults, if the file's memory is reserved.
    if (os::advise(mapping_.data + begin, bytes, MADV_POPULATE_WRITE) == 0) return true;
    return errno == EINVAL && reserved;
}

void SegmentWriter::destroy() noexcept {
    // Never opened, or wiped by fork: its zeros are not descriptors.
    if (file_name_[0] == '\0') return;
    if (string_table_ != nullptr) {
        os::unmap(string_table_, string_table_bytes(string_table_mask_));
    }
    if (free_slots_ != nullptr) os::unmap(free_slots_, std::uint64_t{slots_max_} * 4);
    if (directory_.is(directory_fd_)) ::close(directory_fd_);
    release_mapping(mapping_);
    std::memset(static_cast<void*>(this), 0, sizeof *this);
    mapping_.fd = -1;
}

void release_mapping(SegmentMapping& mapping) noexcept {
    if (mapping.data != nullptr) os::unmap(mapping.data, mapping.bytes);
    if (mapping.file.is(mapping.fd)) ::close(mapping.fd);
    mapping = SegmentMapping{};
}

}  // namespace spanring::shm
