// AsyncSpan: a piece of work that begins on one thread and ends on any: a request in an event loop,
// a coroutine, a callback.
//
// A movable handle; does not become anybody's current span (attach its context() for that).
// Threads: any, one at a time. Ends explicitly, or when the handle is destroyed.
#pragma once

#include <utility>

#include "spanring/span.hpp"

namespace spanring {

class [[nodiscard]] AsyncSpan : public detail::SpanMethods<AsyncSpan> {
public:
    /// A handle without a span: every method does nothing.
    AsyncSpan() noexcept = default;
    /// Begins below the current context.
    explicit AsyncSpan(Key name) noexcept {
        if (detail::enabled(detail::load_flags())) {
            detail::begin_async(state_, detail::NameRef(name), nullptr);
        }
    }
    AsyncSpan(Key name, const SpanOptions& options) noexcept {
        if (detail::enabled(detail::load_flags())) {
            detail::begin_async(state_, detail::NameRef(name), &options);
        }
    }
    AsyncSpan(AsyncSpan&& other) noexcept { state_ = std::exchange(other.state_, {}); }
    AsyncSpan& operator=(AsyncSpan&& other) noexcept {
        if (this != &other) {
            close();
            state_ = std::exchange(other.state_, {});
        }
        return *this;
    }
    ~AsyncSpan() { close(); }

private:
    void close() noexcept {
        detail::end(state_);
        if (state_.block != nullptr) detail::release_slow(state_);
    }
};

}  // namespace spanring
