// A board in anonymous shared memory, made before the fork: each child writes a line of its own,
// the parent reads all of them, and says three words to all.
//
// Threads and processes: one writer for each line; the parent alone writes `go`, `stop` and
// `leave`.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "spanring/base/mapping.hpp"
#include "spanring/base/result.hpp"
#include "spanring/base/unique_fd.hpp"

namespace spanring::tools {

/// `Line`: aligned to 128 bytes, so that a cache line has one writer, and valid as zeros.
template <typename Line>
class SharedBoard {
public:
    /// Errors: of the mapping.
    [[nodiscard]] static Result<SharedBoard> make(std::size_t lines) {
        static_assert(alignof(Line) == 128);
        const std::size_t bytes = sizeof(Head) + lines * sizeof(Line);
        const UniqueFd fd(::memfd_create("spanring-board", MFD_CLOEXEC));
        if (!fd.valid() || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) {
            return os_error(errno, "shared memory for the processes' progress");
        }
        Result<Mapping> mapping = Mapping::shared(fd.get(), bytes, Mapping::Access::kReadWrite);
        if (!mapping) return std::move(mapping).error();
        return SharedBoard(std::move(*mapping), lines);
    }

    [[nodiscard]] Line& line(std::size_t index) noexcept {
        return reinterpret_cast<Line*>(mapping_.as<char>() + sizeof(Head))[index];
    }
    [[nodiscard]] std::size_t lines() const noexcept { return lines_; }
    /// Everybody is ready: begin.
    [[nodiscard]] std::atomic<std::uint32_t>& go() noexcept { return head().go; }
    /// The user has enough: write no more.
    [[nodiscard]] std::atomic<std::uint32_t>& stop() noexcept { return head().stop; }
    /// Everything is read: end.
    [[nodiscard]] std::atomic<std::uint32_t>& leave() noexcept { return head().leave; }

private:
    struct alignas(128) Head {
        std::atomic<std::uint32_t> go;
        std::atomic<std::uint32_t> stop;
        std::atomic<std::uint32_t> leave;
    };

    SharedBoard(Mapping mapping, std::size_t lines) : mapping_(std::move(mapping)), lines_(lines) {}
    [[nodiscard]] Head& head() noexcept { return *mapping_.as<Head>(); }

    Mapping mapping_;
    std::size_t lines_;
};

}  // namespace spanring::tools
