// The floors: what the same bytes cost without a tracer. Memory of the ring's size, mapped as the
// ring is (a file in a tmpfs, shared, every page touched), written in a circle.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "consumer_beside.hpp"
#include "spanring/shm/clock.hpp"

namespace spanring::bench {

class FloorBuffer {
public:
    /// `bytes`: a multiple of 8 KiB.
    explicit FloorBuffer(std::size_t bytes) : words_(bytes / 8) {
        // Shared memory without a name: of the same kind as a ring's file.
        const int file = memfd_create("spanring-floor", MFD_CLOEXEC);
        if (file < 0 || ftruncate(file, static_cast<off_t>(bytes)) != 0) {
            give_up("no memory for the floor's buffer");
        }
        void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (mapped == MAP_FAILED || madvise(mapped, bytes, MADV_POPULATE_WRITE) != 0) {
            give_up("no memory for the floor's buffer");
        }
        memory_ = static_cast<std::uint64_t*>(mapped);
    }
    FloorBuffer(const FloorBuffer&) = delete;
    FloorBuffer& operator=(const FloorBuffer&) = delete;
    ~FloorBuffer() { munmap(memory_, words_ * 8); }

    /// Where kWords words go. A cache line at the start holds the published position.
    template <std::size_t kWords>
    std::uint64_t* reserve() noexcept {
        if (at_ + kWords > words_) [[unlikely]]
            at_ = kFirst;
        std::uint64_t* place = memory_ + at_;
        at_ += kWords;
        return place;
    }
    void publish() noexcept {
        // release: as a tracepoint publishes its record; nobody reads this buffer.
        __atomic_store_n(memory_, at_, __ATOMIC_RELEASE);
    }

private:
    static constexpr std::size_t kFirst = 8;
    std::uint64_t* memory_{nullptr};
    std::size_t words_;
    std::size_t at_{kFirst};
};

/// Keeps the compiler from moving or merging stores.
inline void barrier() noexcept {
    asm volatile("" ::: "memory");
}

/// Two timestamps, two stores of 8 bytes, one release store.
inline void floor_span(FloorBuffer& buffer, std::uint32_t clock) noexcept {
    std::uint64_t* place = buffer.reserve<2>();
    place[0] = shm::ticks(clock);
    barrier();
    place[1] = shm::ticks(clock);
    buffer.publish();
}

/// A timestamp, kWords stores of 8 bytes with it, one release store.
template <std::size_t kWords>
inline void floor_event(FloorBuffer& buffer, std::uint32_t clock, std::uint64_t value) noexcept {
    std::uint64_t* place = buffer.reserve<kWords>();
    place[0] = shm::ticks(clock);
    for (std::size_t i = 1; i < kWords; ++i) place[i] = value;
    buffer.publish();
}

}  // namespace spanring::bench
