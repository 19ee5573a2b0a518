// Mapping: a memory mapping that unmaps itself. Move-only; who holds it decides which threads use
// it.
#pragma once

#include <cstddef>
#include <utility>

#include "spanring/base/os.hpp"
#include "spanring/base/result.hpp"

namespace spanring {

class Mapping {
public:
    enum class Access { kRead, kReadWrite };

    Mapping() = default;
    Mapping(Mapping&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Mapping& operator=(Mapping&& other) noexcept {
        if (this != &other) {
            reset();
            data_ = std::exchange(other.data_, nullptr);
            bytes_ = std::exchange(other.bytes_, 0);
        }
        return *this;
    }
    ~Mapping() { reset(); }

    /// Maps `bytes` of the file from its beginning, shared. Errors: what mmap says.
    static Result<Mapping> shared(int fd, std::size_t bytes, Access access);
    /// Maps `bytes` of private zeroed memory. Errors: what mmap says.
    static Result<Mapping> anonymous(std::size_t bytes);

    [[nodiscard]] void* data() const noexcept { return data_; }
    template <typename T>
    [[nodiscard]] T* as() const noexcept {
        return static_cast<T*>(data_);
    }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] bool valid() const noexcept { return data_ != nullptr; }
    /// Forgets the mapping without unmapping it.
    void* release() noexcept {
        bytes_ = 0;
        return std::exchange(data_, nullptr);
    }
    void reset() noexcept {
        if (data_ != nullptr) os::unmap(data_, bytes_);
        data_ = nullptr;
        bytes_ = 0;
    }

private:
    Mapping(void* data, std::size_t bytes) noexcept : data_(data), bytes_(bytes) {}

    void* data_{nullptr};
    std::size_t bytes_{0};
};

}  // namespace spanring
