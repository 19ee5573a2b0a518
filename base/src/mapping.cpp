#include "spanring/base/mapping.hpp"

#include <sys/mman.h>

#include <cerrno>

namespace spanring {

Result<Mapping> Mapping::shared(int fd, std::size_t bytes, Access access) {
    const int protection = access == Access::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
    void* data = os::map(nullptr, bytes, protection, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) return os_error(errno, "cannot map file");
    return Mapping(data, bytes);
}

Result<Mapping> Mapping::anonymous(std::size_t bytes) {
    void* data =
        os::map(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return os_error(errno, "cannot map memory");
    return Mapping(data, bytes);
}

}  // namespace spanring
