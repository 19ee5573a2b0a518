// The methods that Span and AsyncSpan share. `Self` is the class that derives; everything returns
// it, so that calls chain.
#pragma once

#include <exception>
#include <initializer_list>
#include <span>
#include <string_view>

#include "spanring/detail/exception_type.hpp"
#include "spanring/detail/span_state.hpp"

namespace spanring::detail {

template <typename Self>
class SpanMethods {
public:
    SpanMethods(const SpanMethods&) = delete;
    SpanMethods& operator=(const SpanMethods&) = delete;

    /// Sets an attribute; set twice, the last one counts. Text and arrays are copied.
    SPANRING_INLINE Self& set(Key key, const AttributeValue& value) noexcept {
        detail::set(state_, key, value);
        return self();
    }
    /// As above, for a braced list: `set("ids", {1, 2, 3})`.
    template <typename T>
    Self& set(Key key, std::initializer_list<T> values) noexcept {
        detail::set(state_, key, AttributeValue(values));
        return self();
    }

    /// Adds an event now.
    Self& event(Key name, std::span<const Attribute> attributes = {}) noexcept {
        detail::event(state_, name, attributes);
        return self();
    }
    Self& event(Key name, std::initializer_list<Attribute> attributes) noexcept {
        detail::event(state_, name, {attributes.begin(), attributes.size()});
        return self();
    }

    /// Adds OpenTelemetry's `exception` event. Does not change the status.
    Self& record_exception(std::string_view type, std::string_view message,
                           std::string_view stacktrace = {}) noexcept {
        using namespace literals;
        const Attribute attributes[] = {{"exception.type"_key, type},
                                        {"exception.message"_key, message},
                                        {"exception.stacktrace"_key, stacktrace}};
        detail::event(state_, "exception"_key,
                      std::span(attributes).first(stacktrace.empty() ? 2 : 3));
        return self();
    }
    Self& record_exception(const std::exception& exception) noexcept {
        if (recording()) {
            const ExceptionType type(exception);
            record_exception(type.text(), exception.what());
        }
        return self();
    }

    /// Links to another span. A context without a span is ignored.
    Self& add_link(const Context& context, std::span<const Attribute> attributes = {}) noexcept {
        link_slow(state_, context, attributes);
        return self();
    }
    Self& add_link(const Context& context, std::initializer_list<Attribute> attributes) noexcept {
        link_slow(state_, context, {attributes.begin(), attributes.size()});
        return self();
    }

    /// Sets the status; the last one counts. The message is for errors.
    Self& set_status(StatusCode code, std::string_view message = {}) noexcept {
        status_slow(state_, code, message);
        return self();
    }
    Self& set_kind(SpanKind kind) noexcept {
        kind_slow(state_, kind);
        return self();
    }
    Self& update_name(Key name) noexcept {
        rename_slow(state_, NameRef(name));
        return self();
    }

    /// Returns the context whose children are this span's children: for other threads and
    /// processes. If this span is not recorded: the context that it was begun in.
    [[nodiscard]] Context context() noexcept { return context_slow(state_); }
    /// Whether this span is being recorded and has not ended.
    [[nodiscard]] bool recording() const noexcept { return !takes_nothing(state_); }
    /// Ends the span now; what is called afterwards does nothing.
    void end() noexcept { detail::end(state_); }

protected:
    SpanMethods() noexcept = default;
    /// For who calls begin() before anything but end().
    explicit SpanMethods(SpanState::Unset unset) noexcept : state_(unset) {}
    ~SpanMethods() = default;
    SpanState state_;

private:
    Self& self() noexcept { return static_cast<Self&>(*this); }
};

}  // namespace spanring::detail
