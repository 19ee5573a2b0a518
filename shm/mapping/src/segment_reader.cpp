#include "spanring/shm/mapping/segment_reader.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "segment_impl.hpp"
#include "spanring/base/os.hpp"
#include "spanring/shm/segment_writer.hpp"

namespace spanring::shm {
namespace {

struct OpenedFile {
    UniqueFd fd;
    std::uint64_t bytes{0};
    std::uint32_t uid{0};
};

Result<OpenedFile> open_segment(const RingDirectory& directory, const std::string& name,
                                bool writable) {
    OpenedFile opened;
    opened.fd.reset(os::open_at(directory.fd(), name.c_str(),
                                (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK));
    // A link, a directory, a socket: nobody's ring, whatever is behind it.
    const bool foreign = errno == ELOOP || errno == EISDIR || errno == ENXIO;
    if (!opened.fd.valid() && foreign) return Error{ErrorCode::kCorrupt, "not a regular file"};
    if (!opened.fd.valid()) return os_error(errno, "cannot open");
    struct stat info;
    if (os::stat_fd(opened.fd.get(), &info) != 0) return os_error(errno, "cannot examine");
    if (!S_ISREG(info.st_mode)) return Error{ErrorCode::kCorrupt, "not a regular file"};
    opened.bytes = static_cast<std::uint64_t>(info.st_size);
    opened.uid = info.st_uid;
    if (opened.bytes < sizeof(spanring_segment_header)) {
        return Error{ErrorCode::kCorrupt, "the file has " + std::to_string(opened.bytes) +
                                              " bytes, fewer than " +
                                              std::to_string(sizeof(spanring_segment_header))};
    }
    if (opened.bytes > kSegmentBytesLimit) {
        return Error{ErrorCode::kCorrupt, "the file has " + std::to_string(opened.bytes) +
                                              " bytes, more than " +
                                              std::to_string(kSegmentBytesLimit)};
    }
    return opened;
}

/// Takes the one copy of the header that is checked and used.
Result<spanring_segment_header> copy_header(const MappedFile& file) {
    spanring_segment_header copy;
    const auto& header_untrusted = *reinterpret_cast<const spanring_segment_header*>(file.data());
    const bool present = BusGuard::guarded([&] {
        // acquire: pairs with the release of `ready` in SegmentWriter::open().
        const std::uint32_t ready =
            RealAtomics::load(header_untrusted.ready, std::memory_order_acquire);
        std::memcpy(&copy, &header_untrusted, sizeof copy);
        copy.ready = ready;
    });
    if (!present) return Error{ErrorCode::kCorrupt, "the file was cut short"};
    return copy;
}

}  // namespace

SegmentReader::SegmentReader(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
SegmentReader::SegmentReader(SegmentReader&&) noexcept = default;
SegmentReader& SegmentReader::operator=(SegmentReader&&) noexcept = default;
SegmentReader::~SegmentReader() = default;

Result<SegmentReader> SegmentReader::attach(const RingDirectory& directory,
                                            const std::string& file_name, Mode mode) {
    const bool writable = mode == Mode::kReadWrite;
    const auto fail = [&](Error&& error) { return std::move(error).in(file_name); };
    Result<OpenedFile> opened = open_segment(directory, file_name, writable);
    if (!opened) return fail(std::move(opened).error());
    const std::uint64_t file_bytes = opened->bytes;
    const std::uint32_t file_uid = opened->uid;
    Result<MappedFile> file = MappedFile::map(std::move(opened->fd), file_bytes, writable);
    if (!file) return fail(std::move(file).error());
    Result<spanring_segment_header> header = copy_header(*file);
    if (!header) return fail(std::move(header).error());
    Result<SegmentBounds> bounds = check_header(*header, file_bytes);
    if (!bounds) return fail(std::move(bounds).error());
    UniqueFd directory_fd(os::open_at(directory.fd(), ".", O_PATH | O_DIRECTORY));
    if (!directory_fd.valid()) return fail(os_error(errno, "cannot open the directory"));

    auto impl =
        std::make_unique<Impl>(std::move(directory_fd), file_name, *std::move(file), *bounds);
    impl->identity = identity_of(*header, *bounds, file_uid);
    impl->writable = writable;
    return SegmentReader(std::move(impl));
}

const SegmentIdentity& SegmentReader::identity() const noexcept {
    return impl_->identity;
}

const std::string& SegmentReader::file_name() const noexcept {
    return impl_->file_name;
}

Result<std::uint32_t> SegmentReader::Impl::load_count(const std::uint32_t& word, std::uint32_t max,
                                                      const char* what) const {
    std::uint32_t count_untrusted = 0;
    Result<void> loaded = guarded([&] {
        // acquire: pairs with the release with which SegmentWriter declares: what it counts is
        // there.
        count_untrusted = RealAtomics::load(word, std::memory_order_acquire);
    });
    if (!loaded) return std::move(loaded).error();
    if (count_untrusted > max) {
        return breach(std::string(what) + " is " + std::to_string(count_untrusted) +
                      ", more than " + std::to_string(max));
    }
    return count_untrusted;
}

Result<std::vector<std::byte>> SegmentReader::resource() const {
    const std::uint64_t max =
        std::min<std::uint64_t>(impl_->bounds.resource_bytes_max, kResourceBytesMax);
    Result<std::uint32_t> bytes = impl_->load_count(
        impl_->header().resource_bytes, static_cast<std::uint32_t>(max), "resource length");
    if (!bytes) return std::move(bytes).error();
    std::vector<std::byte> copy(*bytes);
    if (copy.empty()) return copy;  // memcpy takes no null, not even for nothing
    Result<void> copied = impl_->guarded([&] {
        std::memcpy(copy.data(), impl_->at<std::byte>(impl_->bounds.resource_offset), copy.size());
    });
    if (!copied) return std::move(copied).error();
    return copy;
}

Result<std::uint32_t> SegmentReader::strings_count() const {
    return impl_->load_count(impl_->header().strings_count, impl_->bounds.strings_max,
                             "number of strings");
}

Result<void> SegmentReader::read_strings(std::vector<std::string>* out,
                                         std::uint32_t count_max) const {
    Result<std::uint32_t> count = strings_count();
    if (!count) return std::move(count).error();
    const auto* index = impl_->at<std::uint32_t>(impl_->bounds.string_index_offset);
    const auto* data = impl_->at<std::byte>(impl_->bounds.string_data_offset);
    const std::uint64_t data_bytes = impl_->bounds.string_data_bytes_max;
    for (std::uint32_t i = 0; i < count_max && out->size() < *count; ++i) {
        char text[kInternBytesMax];
        std::uint32_t bytes_untrusted = 0;
        bool inside = false;
        const std::size_t id = out->size();
        Result<void> copied = impl_->guarded([&] {
            // relaxed: the acquire of strings_count came before.
            const std::uint64_t offset_untrusted =
                RealAtomics::load(index[id], std::memory_order_relaxed);
            // The length word is aligned, so that it is loaded once and whole.
            if (offset_untrusted % 4 != 0 || offset_untrusted + 4 > data_bytes) return;
            // relaxed: as above.
            bytes_untrusted =
                RealAtomics::load(*reinterpret_cast<const std::uint32_t*>(data + offset_untrusted),
                                  std::memory_order_relaxed);
            if (bytes_untrusted > sizeof text ||
                offset_untrusted + 4 + bytes_untrusted > data_bytes) {
                return;
            }
            std::memcpy(text, data + offset_untrusted + 4, bytes_untrusted);
            inside = true;
        });
        if (!copied) return copied;
        if (!inside) {
            return impl_->breach("string " + std::to_string(id) + " is out of its region");
        }
        out->emplace_back(text, bytes_untrusted);
    }
    return {};
}

}  // namespace spanring::shm
