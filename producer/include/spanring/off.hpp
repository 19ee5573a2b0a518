// The interface with SPANRING_OFF: everything is there, nothing does anything, no symbol is left.
//
// In an inline namespace of its own: files compiled with and without SPANRING_OFF may be linked
// together. Include spanring/spanring.hpp, never this.
#pragma once

#include <exception>
#include <optional>

#include "spanring/attribute.hpp"
#include "spanring/call_sites.hpp"
#include "spanring/import.hpp"
#include "spanring/process.hpp"

namespace spanring {
inline namespace off {

class Scope;

struct W3cHeaders {
    std::string traceparent;
    std::string tracestate;
    std::string baggage;
};

class Context {
public:
    [[nodiscard]] static Context current() noexcept { return {}; }
    [[nodiscard]] inline Scope attach() const noexcept;
    [[nodiscard]] bool is_valid() const noexcept { return false; }
    [[nodiscard]] bool is_remote() const noexcept { return false; }
    [[nodiscard]] bool is_sampled() const noexcept { return false; }
    [[nodiscard]] std::string trace_id() const { return {}; }
    [[nodiscard]] std::string span_id() const { return {}; }
    [[nodiscard]] TraceId trace_id_bytes() const noexcept { return {}; }
    [[nodiscard]] SpanId span_id_bytes() const noexcept { return {}; }
    [[nodiscard]] std::string trace_state() const { return {}; }
    [[nodiscard]] static Context remote(const TraceId&, const SpanId&, bool = true,
                                        std::string_view = {}, bool = false) {
        return {};
    }
    [[nodiscard]] std::string baggage(std::string_view) const { return {}; }
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> all_baggage() const {
        return {};
    }
    [[nodiscard]] Context with_baggage(std::string_view, std::string_view) const { return {}; }
    [[nodiscard]] Context with_request_id(std::string_view) const { return {}; }
    [[nodiscard]] Context with_user_id(std::string_view) const { return {}; }
    [[nodiscard]] std::string request_id() const { return {}; }
    [[nodiscard]] std::string user_id() const { return {}; }
    [[nodiscard]] static Context from_headers(std::string_view, std::string_view = {},
                                              std::string_view = {}) {
        return {};
    }
    [[nodiscard]] W3cHeaders to_headers() const { return {}; }
    [[nodiscard]] std::string traceparent() const { return {}; }
    template <typename Getter>
    [[nodiscard]] static Context extract(Getter&&) {
        return {};
    }
    template <typename Setter>
    void inject(Setter&&) const {}
};

class [[nodiscard]] Scope {
public:
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {}  // not trivial, as with tracing on: no warning about an unused variable
    void end() noexcept {}

private:
    friend class Context;
    Scope() noexcept = default;
};

inline Scope Context::attach() const noexcept {
    return {};
}

struct SpanOptions {
    SpanKind kind{SpanKind::kUnset};
    std::optional<Context> parent{};
};

template <typename Self>
class SpanMethods {
public:
    template <typename T>
    Self& set(Key, const T&) noexcept {
        return self();
    }
    template <typename T>
    Self& set(Key, std::initializer_list<T>) noexcept {
        return self();
    }
    Self& event(Key, std::span<const Attribute> = {}) noexcept { return self(); }
    Self& event(Key, std::initializer_list<Attribute>) noexcept { return self(); }
    Self& record_exception(std::string_view, std::string_view, std::string_view = {}) noexcept {
        return self();
    }
    Self& record_exception(const std::exception&) noexcept { return self(); }
    Self& add_link(const Context&, std::span<const Attribute> = {}) noexcept { return self(); }
    Self& add_link(const Context&, std::initializer_list<Attribute>) noexcept { return self(); }
    Self& set_status(StatusCode, std::string_view = {}) noexcept { return self(); }
    Self& set_kind(SpanKind) noexcept { return self(); }
    Self& update_name(Key) noexcept { return self(); }
    [[nodiscard]] Context context() noexcept { return {}; }
    [[nodiscard]] bool recording() const noexcept { return false; }
    void end() noexcept {}

private:
    Self& self() noexcept { return static_cast<Self&>(*this); }
};

class [[nodiscard]] Span : public SpanMethods<Span> {
public:
    explicit Span(Key) noexcept {}
    Span(Key, const SpanOptions&) noexcept {}
    Span(Key, SpanKind) noexcept {}
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;
    ~Span() {}  // see Scope
};

class [[nodiscard]] AsyncSpan : public SpanMethods<AsyncSpan> {
public:
    AsyncSpan() noexcept = default;
    explicit AsyncSpan(Key) noexcept {}
    AsyncSpan(Key, const SpanOptions&) noexcept {}
    AsyncSpan(AsyncSpan&&) noexcept {}
    AsyncSpan& operator=(AsyncSpan&&) noexcept { return *this; }
    ~AsyncSpan() {}  // see Scope
};

inline void event(Key, std::span<const Attribute> = {}) noexcept {}
inline void event(Key, std::initializer_list<Attribute>) noexcept {}
template <typename T>
inline void set(Key, const T&) noexcept {}

}  // namespace off
}  // namespace spanring

#define SPANRING_SPAN(...) static_assert(true)
#define SPANRING_EVENT(...) static_assert(true)
