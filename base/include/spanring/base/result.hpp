// Result<T>: a value or an Error. What fails says so in its type; no exception crosses a library
// boundary.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace spanring {

/// What kind of failure it is: decides the exit code and whether a retry can help.
enum class ErrorCode {
    kInvalidArgument,  ///< the caller's input is wrong: flag, file format, configuration
    kNotFound,         ///< no such trace, file, directory, process
    kPermission,       ///< exists, but not for us
    kBusy,             ///< somebody else holds it
    kNoSpace,          ///< disk, tmpfs or a limit is full
    kCorrupt,          ///< bytes that nobody of ours wrote
    kVersion,          ///< written by an incompatible version
    kIo,               ///< the operating system failed
    kTimeout,
    kUnavailable,  ///< not now: no consumer, not enabled
};

/// A failure with one readable line: what, where, and, where we know it, what to do. Context is
/// added upward with `in`.
struct Error {
    ErrorCode code{ErrorCode::kIo};
    std::string message;

    [[nodiscard]] Error in(const std::string& context) && {
        message = context + ": " + message;
        return std::move(*this);
    }
};

template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value)
        : state_(std::in_place_index<0>, std::move(value)) {
    }  // NOLINT(google-explicit-constructor)
    Result(Error error)
        : state_(std::in_place_index<1>, std::move(error)) {
    }  // NOLINT(google-explicit-constructor)

    [[nodiscard]] bool ok() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return ok(); }

    [[nodiscard]] T& value() & { return *std::get_if<0>(&state_); }
    [[nodiscard]] const T& value() const& { return *std::get_if<0>(&state_); }
    [[nodiscard]] T&& value() && { return std::move(*std::get_if<0>(&state_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return std::get_if<0>(&state_); }
    const T* operator->() const { return std::get_if<0>(&state_); }

    [[nodiscard]] const Error& error() const& { return *std::get_if<1>(&state_); }
    [[nodiscard]] Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

    [[nodiscard]] bool ok() const noexcept { return !error_.has_value(); }
    explicit operator bool() const noexcept { return ok(); }
    [[nodiscard]] const Error& error() const& { return *error_; }
    [[nodiscard]] Error&& error() && { return std::move(*error_); }

private:
    std::optional<Error> error_;
};

/// Returns an Error from `errno_value`, mapped to the nearest code: "what: strerror text".
/// Threads: any.
[[nodiscard]] Error os_error(int errno_value, const std::string& what);

}  // namespace spanring
