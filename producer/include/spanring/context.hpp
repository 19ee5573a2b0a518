// Context: the span that new spans become children of, and what travels with it.
//
// A cheap value (32 bytes; a reference count if it has a remote part or baggage). Immutable:
// `with_...` gives a changed copy. Threads: any; a value may be handed to another thread and
// attached there. Never makes a system call; ids are computed when somebody asks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spanring/base/ids.hpp"
#include "spanring/detail/writer.hpp"

namespace spanring {

class Scope;

/// The three W3C headers as strings; empty: absent.
struct W3cHeaders {
    std::string traceparent;
    std::string tracestate;
    std::string baggage;
};

class Context {
public:
    /// An empty context: attached, the next span is the root of a new trace.
    Context() noexcept = default;
    Context(const Context& other) noexcept;
    Context(Context&& other) noexcept;
    Context& operator=(const Context& other) noexcept;
    Context& operator=(Context&& other) noexcept;
    ~Context();

    /// Returns the calling thread's current context.
    [[nodiscard]] static Context current() noexcept;
    /// Makes this the calling thread's current context until the Scope ends.
    [[nodiscard]] Scope attach() const noexcept;

    /// Whether there is a span (local or remote) in it.
    [[nodiscard]] bool is_valid() const noexcept { return kind_ != detail::ContextKind::kEmpty; }
    /// Whether the span is one of another process.
    [[nodiscard]] bool is_remote() const noexcept { return kind_ == detail::ContextKind::kRemote; }
    [[nodiscard]] bool is_sampled() const noexcept;
    /// Lower-case hex, for log lines; empty if there is no span. 64-bit trace ids: 16 characters.
    [[nodiscard]] std::string trace_id() const;
    [[nodiscard]] std::string span_id() const;
    [[nodiscard]] TraceId trace_id_bytes() const noexcept;
    [[nodiscard]] SpanId span_id_bytes() const noexcept;
    [[nodiscard]] std::string trace_state() const;

    /// Returns the context of a span of another process. Not valid ids: an empty context.
    [[nodiscard]] static Context remote(const TraceId& trace, const SpanId& span,
                                        bool sampled = true, std::string_view trace_state = {},
                                        bool trace_id_64 = false);

    // ---- baggage: W3C Baggage, at most 180 members and 8,192 bytes ----
    /// Returns the value of `key`, or an empty string.
    [[nodiscard]] std::string baggage(std::string_view key) const;
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> all_baggage() const;
    /// Returns a copy in which `key` has `value`; an empty value takes the key away. Unchanged if
    /// the key is not a token or the limits would be exceeded.
    [[nodiscard]] Context with_baggage(std::string_view key, std::string_view value) const;
    /// The conventions `request.id` and `user.id`: also recorded as attributes of the first span
    /// of this process below the context.
    [[nodiscard]] Context with_request_id(std::string_view id) const;
    [[nodiscard]] Context with_user_id(std::string_view id) const;
    [[nodiscard]] std::string request_id() const;
    [[nodiscard]] std::string user_id() const;

    // ---- W3C Trace Context and Baggage ----
    /// Reads the headers, strictly; a malformed traceparent gives a context without a span, a
    /// malformed tracestate or baggage is left out.
    [[nodiscard]] static Context from_headers(std::string_view traceparent,
                                              std::string_view tracestate = {},
                                              std::string_view baggage = {});
    [[nodiscard]] W3cHeaders to_headers() const;
    [[nodiscard]] std::string traceparent() const;

    /// `get(name)` returns the header's value as something convertible to std::string_view, empty
    /// if absent.
    template <typename Getter>
    [[nodiscard]] static Context extract(Getter&& get) {
        const auto parent = get(std::string_view("traceparent"));
        const auto state = get(std::string_view("tracestate"));
        const auto bag = get(std::string_view("baggage"));
        return from_headers(std::string_view(parent), std::string_view(state),
                            std::string_view(bag));
    }
    /// `set(name, value)` is called for each header that is not empty.
    template <typename Setter>
    void inject(Setter&& set) const {
        const W3cHeaders headers = to_headers();
        if (!headers.traceparent.empty()) set(std::string_view("traceparent"), headers.traceparent);
        if (!headers.tracestate.empty()) set(std::string_view("tracestate"), headers.tracestate);
        if (!headers.baggage.empty()) set(std::string_view("baggage"), headers.baggage);
    }

private:
    friend struct detail::ContextAccess;
    /// Remote part and baggage, shared and immutable; null: none.
    detail::ContextBlock* block_{nullptr};
    std::uint64_t key_{0};    ///< local: the span's key
    std::uint64_t root_{0};   ///< local: key of its trace's first span; 0: the trace is foreign
    std::uint32_t epoch_{0};  ///< local: which instance of this process
    detail::ContextKind kind_{detail::ContextKind::kEmpty};
    std::uint8_t reserved_[3]{};
};

/// A context is current while this lives. Ends on the thread that made it, in reverse order;
/// ended out of order it takes what was attached after it along. Neither copied nor moved.
class [[nodiscard]] Scope {
public:
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() { end(); }
    /// Ends it early. A second call does nothing.
    void end() noexcept;

private:
    friend class Context;
    explicit Scope(const Context& context) noexcept;
    detail::Writer* writer_{nullptr};
    std::uint32_t serial_{0};
};

}  // namespace spanring
