// Context values: current, attach, ids, baggage.
#include "spanring/context.hpp"

#include <utility>

#include "context_block.hpp"
#include "tracepoint.hpp"
#include "w3c.hpp"

namespace spanring {
namespace detail {

ContextBlock* remote_block_of(std::uint64_t key, std::uint64_t root, const ContextBlock* block,
                              std::uint32_t epoch) noexcept {
    const Process* p = process();
    const KnownInstance* instance = p != nullptr ? instance_of(*p, epoch) : nullptr;
    if (instance == nullptr) return nullptr;
    ContextBlock* remote = clone(block);
    if (root != 0) {
        remote->trace = derive_trace_id(instance->host_key, instance->id.number(), SpanKey{root});
        remote->trace_64 = false;
    }
    if (!remote->has_remote || root != 0) remote->flags = 1;
    remote->span = derive_span_id(instance->span_key, SpanKey{key});
    remote->has_remote = true;
    return remote;
}

Context context_of_top(Writer& writer) noexcept {
    StackEntry& top = *state_of(&writer)->top;
    if (top.kind == EntryKind::kSpan || top.kind == EntryKind::kLocal) {
        if (top.kind == EntryKind::kSpan) top.flags |= kEntryShared;
        return ContextAccess::local(top.key, top.root, top.block, state_of(&writer)->epoch);
    }
    return ContextAccess::of_block(retain(top.block));
}

/// A sync span borrows its block from the stack of its thread. It is gone when a scope has ended
/// before the span that was begun in it, or the span itself has ended.
static bool may_use_block(const SpanState& span) noexcept {
    if ((span.bits & kStateOwnsBlock) != 0) return true;
    if (span.writer != nullptr && span.writer != t_writer) return true;  // open on another thread
    if (t_writer == nobody()) return false;
    const ThreadState& state = *state_of(t_writer);
    for (const StackEntry* entry = state.top; entry != state.base; --entry) {
        if (entry->block == span.block) return true;
    }
    return false;
}

Context context_slow(SpanState& span) noexcept {
    if (span.key == 0) return Context::current();
    if (span.writer != nullptr && span.writer == t_writer &&
        state_of(span.writer)->epoch == span.epoch) {
        if (StackEntry* entry = find_span(*state_of(span.writer), span.key)) {
            entry->flags |= kEntryShared;
            return ContextAccess::local(span.key, span.root, entry->block, span.epoch);
        }
    }
    span.bits |= kStateShared;
    ContextBlock* block = may_use_block(span) ? span.block : nullptr;
    // Its trace began elsewhere, and went with the block: no ids, rather than wrong ones.
    if (span.root == 0 && block == nullptr) return {};
    return ContextAccess::local(span.key, span.root, block, span.epoch);
}

namespace {

/// The ids of a context, computed when somebody asks.
struct Ids {
    TraceId trace;
    SpanId span;
    bool trace_64{false};
    std::uint8_t flags{0};
};

Ids ids_of(const Context& context) noexcept {
    const ContextBlock* block = ContextAccess::block(context);
    if (ContextAccess::kind(context) == ContextKind::kRemote) {
        return {block->trace, block->span, block->trace_64, block->flags};
    }
    if (ContextAccess::kind(context) != ContextKind::kLocal) return {};
    ContextBlock* told = remote_block_of(ContextAccess::key(context), ContextAccess::root(context),
                                         block, ContextAccess::epoch(context));
    if (told == nullptr) return {};
    const Ids ids{told->trace, told->span, told->trace_64, told->flags};
    release(told);
    return ids;
}

}  // namespace
}  // namespace detail

using detail::ContextAccess;
using detail::ContextBlock;
using detail::ContextKind;
using detail::Tracepoint;

Context::Context(const Context& other) noexcept
    : block_(detail::retain(other.block_)),
      key_(other.key_),
      root_(other.root_),
      epoch_(other.epoch_),
      kind_(other.kind_) {}

Context::Context(Context&& other) noexcept
    : block_(std::exchange(other.block_, nullptr)),
      key_(other.key_),
      root_(other.root_),
      epoch_(other.epoch_),
      kind_(std::exchange(other.kind_, ContextKind::kEmpty)) {}

Context& Context::operator=(const Context& other) noexcept {
    if (this != &other) *this = Context(other);
    return *this;
}

Context& Context::operator=(Context&& other) noexcept {
    if (this == &other) return *this;
    detail::release(block_);
    block_ = std::exchange(other.block_, nullptr);
    key_ = other.key_;
    root_ = other.root_;
    epoch_ = other.epoch_;
    kind_ = std::exchange(other.kind_, ContextKind::kEmpty);
    return *this;
}

Context::~Context() {
    detail::release(block_);
}

Context Context::current() noexcept {
    const Tracepoint tracepoint(false);
    const bool nested = tracepoint.state() == Tracepoint::State::kSignal;
    if (!tracepoint.owns_stack() && (!nested || &tracepoint.writer() == detail::nobody()))
        return {};
    return detail::context_of_top(tracepoint.writer());
}

Scope Context::attach() const noexcept {
    return Scope(*this);
}

Scope::Scope(const Context& context) noexcept {
    Tracepoint tracepoint(false);
    if (!tracepoint.owns_stack()) return;
    detail::ThreadState& stack = tracepoint.stack();
    detail::StackEntry entry = detail::entry_of(tracepoint.process(), context);
    entry.detail_bytes = ++stack.next_serial;
    if (!detail::push(stack, entry)) {
        detail::release(entry.block);
        return;
    }
    writer_ = &tracepoint.writer();
    serial_ = entry.detail_bytes;
    if (!tracepoint.ready()) return;  // no page yet: its first one will have a snapshot
    // A page turned now would hold the entry in its snapshot already.
    if (tracepoint.left() >= detail::attach_bytes(entry)) {
        detail::put_attach(tracepoint.writer(), entry);
    } else {
        tracepoint.out_of_step(detail::depth_of(stack) - 1);
    }
}

void Scope::end() noexcept {
    detail::Writer* writer = std::exchange(writer_, nullptr);
    if (writer == nullptr) return;
    Tracepoint tracepoint(false);
    if (!tracepoint.owns_stack()) {
        writer_ = writer;  // a signal handler cannot end it; its thread can
        return;
    }
    if (&tracepoint.writer() != writer) return;
    detail::ThreadState& stack = tracepoint.stack();
    detail::StackEntry* own = stack.top;
    while (own != stack.base && !(detail::is_context(*own) && own->detail_bytes == serial_)) --own;
    if (own == stack.base) return;  // gone with the instance, or with an outer scope
    bool whole = tracepoint.ready();
    for (std::size_t at = static_cast<std::size_t>(own - stack.base);
         static_cast<std::size_t>(stack.top - stack.base) >= at;) {
        if (whole && tracepoint.left() >= 8)
            tracepoint.record(SPANRING_REC_DETACH, 0, 0);
        else
            whole = false;
        detail::pop_context(stack);
    }
    if (!whole && tracepoint.ready()) tracepoint.out_of_step(detail::depth_of(stack));
}

bool Context::is_sampled() const noexcept {
    if (kind_ == ContextKind::kLocal) return true;
    return kind_ == ContextKind::kRemote && block_->sampled();
}

std::string Context::trace_id() const {
    if (!is_valid()) return {};
    const detail::Ids ids = detail::ids_of(*this);
    return ids.trace.valid() ? to_hex(ids.trace, ids.trace_64) : std::string();
}

std::string Context::span_id() const {
    const SpanId id = span_id_bytes();
    return id.valid() ? to_hex(id) : std::string();
}

TraceId Context::trace_id_bytes() const noexcept {
    return detail::ids_of(*this).trace;
}

SpanId Context::span_id_bytes() const noexcept {
    return detail::ids_of(*this).span;
}

std::string Context::trace_state() const {
    return is_valid() && block_ != nullptr ? block_->trace_state : std::string();
}

Context Context::remote(const TraceId& trace, const SpanId& span, bool sampled,
                        std::string_view trace_state, bool trace_id_64) {
    if (!trace.valid() || !span.valid()) return {};
    auto* block = new ContextBlock;
    block->has_remote = true;
    block->trace = trace;
    block->span = span;
    block->trace_64 = trace_id_64;
    block->flags = sampled ? 1 : 0;
    block->trace_state = w3c::clean_trace_state(trace_state);
    return ContextAccess::of_block(block);
}

std::string Context::baggage(std::string_view key) const {
    const std::string* found = block_ != nullptr ? block_->find(key) : nullptr;
    return found != nullptr ? *found : std::string();
}

std::vector<std::pair<std::string, std::string>> Context::all_baggage() const {
    std::vector<std::pair<std::string, std::string>> all;
    if (block_ == nullptr) return all;
    for (const detail::BaggageMember& member : block_->baggage) {
        all.emplace_back(member.key, member.value);
    }
    return all;
}

Context Context::with_baggage(std::string_view key, std::string_view value) const {
    if (!w3c::is_token(key)) return *this;
    ContextBlock* block = detail::clone(block_);
    std::erase_if(block->baggage, [&](const auto& member) { return member.key == key; });
    if (!value.empty()) block->baggage.push_back({std::string(key), std::string(value), {}});
    if (block->baggage.size() > w3c::kBaggageMembersMax ||
        w3c::format_baggage(block->baggage).size() > w3c::kBaggageBytesMax) {
        detail::release(block);
        return *this;
    }
    return ContextAccess::with_block(*this, block);
}

Context Context::with_request_id(std::string_view id) const {
    return with_baggage("request.id", id);
}
Context Context::with_user_id(std::string_view id) const {
    return with_baggage("user.id", id);
}
std::string Context::request_id() const {
    return baggage("request.id");
}
std::string Context::user_id() const {
    return baggage("user.id");
}

Context Context::from_headers(std::string_view traceparent, std::string_view tracestate,
                              std::string_view baggage) {
    auto* block = new ContextBlock;
    w3c::TraceParent parent;
    if (w3c::parse_traceparent(traceparent, &parent)) {
        block->has_remote = true;
        block->trace = parent.trace;
        block->span = parent.span;
        block->flags = parent.flags;
        block->trace_state = w3c::clean_trace_state(tracestate);
    }
    block->baggage = w3c::parse_baggage(baggage);
    return ContextAccess::of_block(block);
}

std::string Context::traceparent() const {
    if (!is_valid()) return {};
    const detail::Ids ids = detail::ids_of(*this);
    if (!ids.trace.valid()) return {};
    return w3c::format_traceparent({ids.trace, ids.span, ids.flags});
}

W3cHeaders Context::to_headers() const {
    W3cHeaders headers;
    headers.traceparent = traceparent();
    if (!headers.traceparent.empty()) headers.tracestate = trace_state();
    if (block_ != nullptr) headers.baggage = w3c::format_baggage(block_->baggage);
    return headers;
}

}  // namespace spanring
