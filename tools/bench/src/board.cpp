#include "board.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "spanring/base/unique_fd.hpp"

namespace spanring::tools::bench {

struct alignas(128) Board::Head {
    std::atomic<std::uint32_t> go;
    std::atomic<std::uint32_t> leave;
};

Result<Board> Board::make(std::size_t lanes) {
    const std::size_t bytes = sizeof(Head) + lanes * sizeof(Lane);
    const UniqueFd fd(::memfd_create("spanring-bench", MFD_CLOEXEC));
    if (!fd.valid() || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
        return os_error(errno, "shared memory for the producers' counts");
    }
    // Zero is a valid state of every member: an atomic of 0, kStarting.
    Result<Mapping> mapping = Mapping::shared(fd.get(), bytes, Mapping::Access::kReadWrite);
    if (!mapping) return std::move(mapping).error();
    return Board(std::move(*mapping), lanes);
}

Board::Head& Board::head() noexcept {
    return *mapping_.as<Head>();
}

Lane& Board::lane(std::size_t index) noexcept {
    return reinterpret_cast<Lane*>(mapping_.as<char>() + sizeof(Head))[index];
}

std::atomic<std::uint32_t>& Board::go() noexcept {
    return head().go;
}

std::atomic<std::uint32_t>& Board::leave() noexcept {
    return head().leave;
}

}  // namespace spanring::tools::bench
