#include "board.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "spanring/base/unique_fd.hpp"

namespace spanring::tools::replay {

struct alignas(128) Board::Head {
    std::atomic<std::uint32_t> stop;
    std::atomic<std::uint32_t> leave;
};

Result<Board> Board::make(std::size_t slots) {
    const std::size_t bytes = sizeof(Head) + slots * sizeof(BoardSlot);
    const UniqueFd fd(::memfd_create("spanring-replay", MFD_CLOEXEC));
    if (!fd.valid() || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
        return os_error(errno, "shared memory for the replay's progress");
    }
    // Zero is a valid state of every member: an atomic of 0, kWriting.
    Result<Mapping> mapping = Mapping::shared(fd.get(), bytes, Mapping::Access::kReadWrite);
    if (!mapping) return std::move(mapping).error();
    return Board(std::move(*mapping), slots);
}

Board::Head& Board::head() noexcept {
    return *mapping_.as<Head>();
}

BoardSlot& Board::slot(std::size_t index) noexcept {
    return reinterpret_cast<BoardSlot*>(mapping_.as<char>() + sizeof(Head))[index];
}

std::atomic<std::uint32_t>& Board::stop() noexcept {
    return head().stop;
}

std::atomic<std::uint32_t>& Board::leave() noexcept {
    return head().leave;
}

}  // namespace spanring::tools::replay
