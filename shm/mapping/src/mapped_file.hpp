// MappedFile: a descriptor and Boost.Interprocess's mapping of it. The only place that sees Boost;
// its exceptions end here. Move-only; any one thread.
#pragma once

#include <cstddef>
#include <memory>

#include "spanring/base/result.hpp"
#include "spanring/base/unique_fd.hpp"

namespace spanring::shm {

class MappedFile {
public:
    /// Maps `bytes` of the file, from its beginning.
    static Result<MappedFile> map(UniqueFd fd, std::size_t bytes, bool writable);
    MappedFile(MappedFile&&) noexcept;
    MappedFile& operator=(MappedFile&&) noexcept;
    ~MappedFile();

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] std::byte* data() const noexcept { return data_; }

private:
    struct Region;
    MappedFile(UniqueFd fd, std::unique_ptr<Region> region) noexcept;

    UniqueFd fd_;
    std::unique_ptr<Region> region_;
    std::byte* data_{nullptr};
};

}  // namespace spanring::shm
