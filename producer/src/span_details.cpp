// Details of a span out of line: attributes, events, links, status, kind, name.
#include "spanring/macros.hpp"
#include "tracepoint.hpp"

namespace spanring::detail {
namespace {

/// What a detail belongs to: a span on top of the stack, or one that must be named.
struct Target {
    Addressee addressee;
    std::uint32_t* detail_bytes{nullptr};  ///< of the span so far
};

/// Returns false if nothing of this span is recorded.
bool target_of(Tracepoint& tracepoint, SpanState& span, Target* target) noexcept {
    if ((span.bits & kStateLost) != 0) return false;
    if (span.epoch != epoch_of(tracepoint.process())) {
        // Of a replaced segment, stored as it was; a forked child's inherited one is not ours.
        if (span.epoch >= tracepoint.process().own_epoch) {
            tracepoint.lost(Loss::kDetail, LossReason::kNoMemory);
        }
        return false;
    }
    if (is_foreign(tracepoint.writer(), span.key)) span.bits |= kStateShared;
    bool shared = (span.bits & kStateShared) != 0;
    if ((span.bits & kStateAsync) == 0) {
        if (StackEntry* entry = find_span(tracepoint.stack(), span.key)) {
            shared = shared || (entry->flags & kEntryShared) != 0;
            const bool current = entry == tracepoint.stack().top && !shared;
            *target = {{current ? 0 : span.key, shared}, &entry->detail_bytes};
            return true;
        }
    }
    *target = {{span.key, shared}, &span.detail_bytes};
    return true;
}

/// Returns whether a detail of this span is to be written, and then *target. One of a span that is
/// recorded counts as lost if there is no segment for it any more, or none yet for this thread.
bool takes_detail(Tracepoint& tracepoint, SpanState& span, Target* target) noexcept {
    if (tracepoint.ready()) return target_of(tracepoint, span, target);
    if ((span.bits & kStateLost) == 0 && span.epoch >= tracepoint.process().own_epoch) {
        tracepoint.lost_without_segment(Loss::kDetail);
    }
    return false;
}

/// Charges `bytes` to the span's limit. The detail that crosses it is still written, so that the
/// reader sees it and marks the span truncated, but counts as lost: it is not stored.
bool charge(Tracepoint& tracepoint, const Target& target, std::size_t bytes) noexcept {
    std::uint32_t& used = *target.detail_bytes;
    if (used > SPANRING_SPAN_BYTES_MAX) {
        tracepoint.lost(Loss::kDetail, LossReason::kTooLarge);
        return false;
    }
    const std::size_t sum = used + bytes;
    if (sum > SPANRING_SPAN_BYTES_MAX) tracepoint.lost(Loss::kDetail, LossReason::kTooLarge);
    used = sum > SPANRING_SPAN_BYTES_MAX ? SPANRING_SPAN_BYTES_MAX + 1
                                         : static_cast<std::uint32_t>(sum);
    return true;
}

std::size_t attributes_bytes(Tracepoint& tracepoint,
                             std::span<const Attribute> attributes) noexcept {
    std::size_t sum = 0;
    for (const Attribute& attribute : attributes) {
        const NameRef name(attribute.key);
        sum += attribute_bytes(tracepoint, name, tracepoint.number_of(name), attribute.value);
    }
    return sum;
}

bool put_item_attributes(Tracepoint& tracepoint, std::span<const Attribute> attributes) noexcept {
    for (const Attribute& attribute : attributes) {
        const NameRef name(attribute.key);
        if (!put_attribute(tracepoint, name, tracepoint.number_of(name), attribute.value,
                           SPANRING_TARGET_ITEM, {})) {
            return false;
        }
    }
    return true;
}

void write_event(Tracepoint& tracepoint, const Target& target, NameRef name,
                 std::span<const Attribute> attributes) noexcept {
    const std::uint32_t number = tracepoint.number_of(name);
    const std::size_t own = tracepoint.name_bytes(name, number) + 16;
    const std::size_t rest = attributes_bytes(tracepoint, attributes);
    if (!charge(tracepoint, target, own + rest)) return;
    constexpr std::size_t kFront = kForBytesMax + kTimeBaseBytes;
    if (!tracepoint.room(own + rest + kFront) || !tracepoint.next_page(own + kFront)) {
        tracepoint.lost(Loss::kDetail);
        return;
    }
    tracepoint.inline_name(name, number);
    put_for(tracepoint, target.addressee);
    tracepoint.timed(SPANRING_REC_EVENT, number);
    if (!put_item_attributes(tracepoint, attributes)) tracepoint.lost(Loss::kDetail);
}

/// An event of the span on top whose keys have numbers and whose values are plain, if the page has
/// room: most events with attributes that come here. Returns false if the slow path has to.
bool event_fast(Writer* writer, std::uint64_t key, NameRef name,
                std::span<const Attribute> attributes) noexcept {
    std::size_t bytes = 8;
    for (const Attribute& attribute : attributes) {
        const std::size_t own = plain_bytes(attribute);
        if (own == 0) return false;
        bytes += own;
    }
    if (bytes > SPANRING_SPAN_BYTES_MAX - kEventTimeBytes) return false;
    return put_event(writer, key, cached_number(name.name), bytes, [&](char* place) {
        for (const Attribute& attribute : attributes) place = put_plain_of_item(place, attribute);
        return place;
    });
}

/// An event without a span: a span of zero duration below the current context.
void write_instant(Tracepoint& tracepoint, NameRef name,
                   std::span<const Attribute> attributes) noexcept {
    if ((tracepoint.stack().top->flags & kEntrySuppressed) != 0) return;
    const std::uint32_t number = tracepoint.number_of(name);
    const std::size_t own = tracepoint.name_bytes(name, number) + 32;
    const std::size_t rest = attributes_bytes(tracepoint, attributes);
    Writer& writer = tracepoint.writer();
    if (!tracepoint.room(own + rest) || !tracepoint.next_page(own)) {
        tracepoint.lost(Loss::kSpan);
        ++writer.next_key;
        return tracepoint.out_of_step(depth_of(tracepoint.stack()));
    }
    const std::uint64_t now = shm::ticks(writer.clock_kind);
    tracepoint.inline_name(name, number);
    tracepoint.timed_at(SPANRING_REC_BEGIN, number, now);
    const std::uint64_t key = writer.next_key++;
    // Its attributes may go over to another page, whose snapshot must name it.
    const StackEntry parent = *tracepoint.stack().top;
    const bool pushed =
        push(tracepoint.stack(), {key, parent.kind == EntryKind::kNone ? key : parent.root,
                                  parent.block, 0, EntryKind::kSpan, 0, 0});
    put_inherited(tracepoint, parent, {});
    for (const Attribute& attribute : attributes) {
        // Each asks for its own room: what is inherited may have taken some of what was there.
        const NameRef key_name(attribute.key);
        const std::uint32_t key_number = tracepoint.number_of(key_name);
        if (!tracepoint.room(attribute_bytes(tracepoint, key_name, key_number, attribute.value)) ||
            !put_attribute(tracepoint, key_name, key_number, attribute.value, SPANRING_TARGET_SPAN,
                           {})) {
            tracepoint.lost(Loss::kDetail);
        }
    }
    const bool room = tracepoint.room(24);
    if (room) tracepoint.timed_at(SPANRING_REC_END, static_cast<std::uint32_t>(key), now);
    if (pushed) --tracepoint.stack().top;
    if (!room) {
        tracepoint.lost(Loss::kEnd);
        tracepoint.out_of_step(depth_of(tracepoint.stack()));
    }
}

/// A record of one word, after its name if that has no number, and FOR if the span has to be named.
void write_word(Tracepoint& tracepoint, const Target& target, std::uint32_t kind, std::uint32_t id,
                NameRef name = NameRef(Key(""))) noexcept {
    const std::size_t bytes = tracepoint.name_bytes(name, id) + 8;
    if (!charge(tracepoint, target, bytes)) return;
    if (!tracepoint.room(bytes + kForBytesMax)) return tracepoint.lost(Loss::kDetail);
    tracepoint.inline_name(name, id);
    put_for(tracepoint, target.addressee);
    tracepoint.record(kind, id, 0);
}

void write_attribute(Tracepoint& tracepoint, const Target& target, NameRef key,
                     const AttributeValue& value) noexcept {
    const std::uint32_t number = tracepoint.number_of(key);
    const std::size_t bytes = attribute_bytes(tracepoint, key, number, value);
    if (!charge(tracepoint, target, bytes)) return;
    if (!tracepoint.room(bytes + kForBytesMax) ||
        !put_attribute(tracepoint, key, number, value, SPANRING_TARGET_SPAN, target.addressee)) {
        tracepoint.lost(Loss::kDetail);
    }
}

/// The current span: the stack's top, or the one whose context is attached.
bool current_target(Tracepoint& tracepoint, Target* target, std::uint32_t* scratch) noexcept {
    StackEntry& top = *tracepoint.stack().top;
    if (top.kind == EntryKind::kSpan) {
        const bool shared = (top.flags & kEntryShared) != 0;
        *target = {{shared ? top.key : 0, shared}, &top.detail_bytes};
        return true;
    }
    if (top.kind != EntryKind::kLocal) return false;
    *target = {{top.key, true}, scratch};
    return true;
}

/// Whether the current span's begin was lost: it takes no details.
bool is_lost_top(Tracepoint& tracepoint) noexcept {
    const StackEntry& top = *tracepoint.stack().top;
    return top.kind == EntryKind::kSpan && (top.flags & kEntryLost) != 0;
}

/// A detail of the current span for which there is no segment.
void lost_of_current(Tracepoint& tracepoint) noexcept {
    if (!tracepoint.owns_stack() || tracepoint.stack().top->kind != EntryKind::kSpan) return;
    if (!is_lost_top(tracepoint)) tracepoint.lost_without_segment(Loss::kDetail);
}

/// Calls `write(tracepoint, target)` if there is something of this span to write to. For details
/// that a signal handler does not stash.
template <typename Write>
void write_detail(SpanState& span, Write&& write) noexcept {
    if (takes_nothing(span)) return;
    Tracepoint tracepoint;
    if (tracepoint.state() == Tracepoint::State::kSignal) {
        return count_signal_loss(tracepoint.writer(), Loss::kDetail);
    }
    Target target;
    if (takes_detail(tracepoint, span, &target)) write(tracepoint, target);
}

/// The whole link is one detail.
void write_link(Tracepoint& tracepoint, const Target& target, const StackEntry& entry,
                std::span<const Attribute> attributes) noexcept {
    const ContextBlock* block = entry.kind == EntryKind::kRemote ? entry.block : nullptr;
    if (entry.kind != EntryKind::kLocal && block == nullptr) return;
    const std::size_t state = block != nullptr ? block->trace_state.size() + 16 : 0;
    const std::size_t bytes = 32 + state + attributes_bytes(tracepoint, attributes);
    if (!charge(tracepoint, target, bytes)) return;
    if (!tracepoint.room(bytes + kForBytesMax) || !tracepoint.next_page(kForBytesMax + 32)) {
        return tracepoint.lost(Loss::kDetail);
    }
    put_for(tracepoint, target.addressee);
    // A link has the form of the attached context that it points to.
    const std::size_t own = attach_bytes(entry);
    put_attach(tracepoint.writer(), entry);
    tracepoint.retype(own, own == 32 ? SPANRING_REC_LINK : SPANRING_REC_LINK_LOCAL);
    const bool told = block == nullptr || block->trace_state.empty() ||
                      put_text(tracepoint, SPANRING_REC_TRACESTATE | SPANRING_TARGET_ITEM, 0,
                               block->trace_state, {});
    if (!told || !put_item_attributes(tracepoint, attributes)) tracepoint.lost(Loss::kDetail);
}

void write_status(Tracepoint& tracepoint, const Target& target, StatusCode code,
                  std::string_view message) noexcept {
    const std::size_t bytes = 8 + ((message.size() + 7) & ~std::size_t{7});
    if (!charge(tracepoint, target, bytes)) return;
    if (!tracepoint.room(bytes + kForBytesMax) ||
        !put_text(tracepoint, SPANRING_REC_STATUS, static_cast<std::uint32_t>(code), message,
                  target.addressee)) {
        tracepoint.lost(Loss::kDetail);
    }
}

}  // namespace

void set_slow(SpanState& span, NameRef key, const AttributeValue& value) noexcept {
    // A value whose type the call site did not know.
    if (on_hot_path(span) &&
        attribute_fast(span.writer, span.key, cached_number(key.name), value)) {
        return;
    }
    Tracepoint tracepoint;
    if (tracepoint.state() == Tracepoint::State::kSignal) {
        return stash_attribute(tracepoint.writer(), key, value, &span);
    }
    Target target;
    if (!takes_detail(tracepoint, span, &target)) return;
    write_attribute(tracepoint, target, key, value);
}

void current_set_slow(NameRef key, const AttributeValue& value) noexcept {
    Tracepoint tracepoint;
    if (tracepoint.state() == Tracepoint::State::kSignal) {
        return stash_attribute(tracepoint.writer(), key, value, nullptr);
    }
    Target target;
    std::uint32_t scratch = 0;
    if (!tracepoint.ready()) return lost_of_current(tracepoint);
    if (!current_target(tracepoint, &target, &scratch) || is_lost_top(tracepoint)) return;
    write_attribute(tracepoint, target, key, value);
}

void event_slow(SpanState& span, NameRef name, std::span<const Attribute> attributes) noexcept {
    if (span.writer != nullptr && on_hot_path(span) &&
        event_fast(span.writer, span.key, name, attributes)) {
        return;
    }
    Tracepoint tracepoint;
    if (tracepoint.state() == Tracepoint::State::kSignal) {
        return stash_event(tracepoint.writer(), name, attributes, &span);
    }
    Target target;
    if (!takes_detail(tracepoint, span, &target)) return;
    write_event(tracepoint, target, name, attributes);
}

void current_event_slow(NameRef name, std::span<const Attribute> attributes) noexcept {
    Writer* writer = t_writer;
    if (is_open(writer, load_flags()) &&
        event_fast(writer, state_of(writer)->top->key, name, attributes)) {
        return;
    }
    Tracepoint tracepoint;
    if (tracepoint.state() == Tracepoint::State::kSignal) {
        return stash_event(tracepoint.writer(), name, attributes, nullptr);
    }
    if (!tracepoint.ready()) {
        // Without a span around it, it would have been one.
        if (!tracepoint.owns_stack() || is_context(*tracepoint.stack().top)) {
            return tracepoint.lost_without_segment(Loss::kSpan);
        }
        return lost_of_current(tracepoint);
    }
    Target target;
    std::uint32_t scratch = 0;
    if (!current_target(tracepoint, &target, &scratch)) {
        return write_instant(tracepoint, name, attributes);
    }
    if (is_lost_top(tracepoint)) return;
    write_event(tracepoint, target, name, attributes);
}

void site_event_slow(CallSiteList& list, CallSite& site,
                     std::span<const Attribute> attributes) noexcept {
    if (!enabled(load_flags()) || (!site_listed(site) && !register_site(list, site))) return;
    current_event_slow(NameRef(site.name), attributes);
}

void link_slow(SpanState& span, const Context& context,
               std::span<const Attribute> attributes) noexcept {
    if (!context.is_valid()) return;
    write_detail(span, [&](Tracepoint& tracepoint, const Target& target) {
        const StackEntry entry = entry_of(tracepoint.process(), context);
        write_link(tracepoint, target, entry, attributes);
        release(entry.block);
    });
}

void status_slow(SpanState& span, StatusCode code, std::string_view message) noexcept {
    write_detail(span, [&](Tracepoint& tracepoint, const Target& target) {
        write_status(tracepoint, target, code, message);
    });
}

void kind_slow(SpanState& span, SpanKind kind) noexcept {
    write_detail(span, [&](Tracepoint& tracepoint, const Target& target) {
        write_word(tracepoint, target, SPANRING_REC_KIND, static_cast<std::uint32_t>(kind));
    });
}

void rename_slow(SpanState& span, NameRef name) noexcept {
    write_detail(span, [&](Tracepoint& tracepoint, const Target& target) {
        write_word(tracepoint, target, SPANRING_REC_RENAME, tracepoint.number_of(name), name);
    });
}

}  // namespace spanring::detail
