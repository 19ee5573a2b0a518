// The stash: tracepoints of signal handlers over an interrupted one, until that one writes them.
//
//   timed records   head, ticks            (BEGIN, END, EVENT)
//   attributes      head, body             as in a page
//
// Handlers nest, so space is reserved by one compare-and-swap; the interrupted tracepoint comes
// last, so it reads only what is whole. Only names with a cached number: a handler never interns.
#include <cstring>

#include "tracepoint.hpp"

namespace spanring::detail {
namespace {

/// Begins in one stash: each takes 16 bytes.
constexpr std::size_t kOpenMax = kStashBytes / 16;

std::byte* reserve(Writer& writer, std::size_t bytes) noexcept {
    Stash& stash = writer.stash;
    // relaxed, all: handlers of one thread, nothing is shared with another.
    std::uint32_t used = __atomic_load_n(&stash.used, __ATOMIC_RELAXED);
    do {
        if (used + bytes > kStashBytes) return nullptr;
    } while (!__atomic_compare_exchange_n(&stash.used, &used,
                                          used + static_cast<std::uint32_t>(bytes), false,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return stash.bytes + used;
}

bool stash_words(Writer& writer, std::uint64_t first, std::uint64_t second) noexcept {
    std::byte* at = reserve(writer, 16);
    if (at == nullptr) return false;
    std::memcpy(at, &first, 8);
    std::memcpy(at + 8, &second, 8);
    return true;
}

bool stash_timed(Writer& writer, std::uint32_t kind, std::uint32_t id) noexcept {
    return writer.slot != nullptr &&
           stash_words(writer, spanring_record_head(kind, id, 0), shm::ticks(writer.clock_kind));
}

/// Whether a tracepoint of this thread is interrupted at the moment.
bool interrupted(const Writer& writer) noexcept {
    // relaxed: this thread's own words.
    return writer.busy != 0 || (writer.slot != nullptr &&
                                __atomic_load_n(&writer.slot->nesting, __ATOMIC_RELAXED) != 0);
}

bool is_timed(std::uint32_t kind) noexcept {
    return kind == SPANRING_REC_BEGIN || kind == SPANRING_REC_END || kind == SPANRING_REC_EVENT;
}

/// What is being written out: the spans that are open in it.
struct Open {
    std::uint64_t keys[kOpenMax];
    std::size_t count{0};
    std::size_t lost{0};  ///< innermost ones that could not be written
};

void write_begin(Tracepoint& tracepoint, Open& open, std::uint32_t name,
                 std::uint64_t ticks) noexcept {
    Writer& writer = tracepoint.writer();
    ThreadState& stack = tracepoint.stack();
    const StackEntry parent = *stack.top;
    if (open.lost != 0 || open.count == kOpenMax || (parent.flags & kEntrySuppressed) != 0 ||
        !tracepoint.room(24)) {
        if ((parent.flags & kEntrySuppressed) == 0) tracepoint.lost(Loss::kSpan);
        ++open.lost;
        return;
    }
    const std::uint64_t key = writer.next_key;
    if (!push(stack, {key, parent.kind == EntryKind::kNone ? key : parent.root, parent.block, 0,
                      EntryKind::kSpan, 0, 0})) {
        tracepoint.lost(Loss::kSpan);
        ++open.lost;
        return;
    }
    tracepoint.timed_at(SPANRING_REC_BEGIN, name, ticks);
    ++writer.next_key;
    open.keys[open.count++] = key;
}

void write_end(Tracepoint& tracepoint, Open& open, std::uint64_t ticks) noexcept {
    if (open.lost != 0) {
        --open.lost;
        return;
    }
    if (open.count == 0) return;
    const std::uint64_t key = open.keys[--open.count];
    const bool room = tracepoint.room(24);
    if (room) {
        tracepoint.timed_at(SPANRING_REC_END, static_cast<std::uint32_t>(key), ticks);
    }
    if (StackEntry* entry = find_span(tracepoint.stack(), key)) erase(tracepoint.stack(), entry);
    if (!room) {
        tracepoint.lost(Loss::kEnd);
        tracepoint.out_of_step(depth_of(tracepoint.stack()));
    }
}

/// An event or attribute of what is current; an event without a span becomes one.
void write_detail(Tracepoint& tracepoint, Open& open, const std::byte* at, std::uint64_t head,
                  std::size_t bytes) noexcept {
    std::uint64_t ticks;
    std::memcpy(&ticks, at + 8, 8);
    const bool event = spanring_record_kind(head) == SPANRING_REC_EVENT;
    if (open.lost != 0) return;
    if (tracepoint.stack().top->kind != EntryKind::kSpan) {
        if (!event) return;
        write_begin(tracepoint, open, spanring_record_id(head), ticks);
        return write_end(tracepoint, open, ticks);
    }
    StackEntry& top = *tracepoint.stack().top;
    if ((top.flags & kEntryLost) != 0) return;
    if (!tracepoint.room(kForBytesMax + kTimeBaseBytes + bytes)) {
        return tracepoint.lost(Loss::kDetail);
    }
    top.detail_bytes += static_cast<std::uint32_t>(bytes);
    if ((top.flags & kEntryShared) != 0) put_for(tracepoint, {top.key, true});
    if (event) {
        tracepoint.timed_at(SPANRING_REC_EVENT, spanring_record_id(head), ticks);
    } else {
        tracepoint.bytes(at, bytes);
    }
}

/// Returns the bytes of the stashed record at `at`.
std::size_t write_one(Tracepoint& tracepoint, Open& open, const std::byte* at) noexcept {
    std::uint64_t head;
    std::memcpy(&head, at, 8);
    const std::uint32_t kind = spanring_record_kind(head);
    if (!is_timed(kind)) {
        const std::size_t bytes = spanring_record_bytes(head);
        write_detail(tracepoint, open, at, head, bytes);
        return bytes;
    }
    std::uint64_t ticks;
    std::memcpy(&ticks, at + 8, 8);
    if (kind == SPANRING_REC_BEGIN)
        write_begin(tracepoint, open, spanring_record_id(head), ticks);
    else if (kind == SPANRING_REC_END)
        write_end(tracepoint, open, ticks);
    else
        write_detail(tracepoint, open, at, head, 8);
    return 16;
}

}  // namespace

void count_signal_loss(Writer& writer, Loss kind) noexcept {
    constexpr auto kIndex = static_cast<unsigned>(LossReason::kSignal);
    std::uint64_t* counts = nullptr;
    if (spanring_thread_slot* slot = writer.slot) {
        counts = kind == Loss::kSpan  ? slot->lost_spans
                 : kind == Loss::kEnd ? slot->lost_ends
                                      : slot->lost_details;
    } else if (Process* p = process()) {
        counts = counts_of(p->unslotted, kind);
    }
    // Atomic, because handlers interrupt each other here.
    if (counts != nullptr) count_loss(counts[kIndex]);
}

void stash_begin(Writer& writer, SpanState& span, NameRef name) noexcept {
    const std::uint32_t number = cached_number(name.name);
    if (number == 0 || !stash_timed(writer, SPANRING_REC_BEGIN, number)) {
        return count_signal_loss(writer, Loss::kSpan);
    }
    span.writer = &writer;
    span.bits = kStateStashed;
}

// A stashed span that outlives its handler has been ended with the stash.
void stash_end(Writer& writer) noexcept {
    if (!interrupted(writer)) return;
    if (!stash_timed(writer, SPANRING_REC_END, 0)) count_signal_loss(writer, Loss::kEnd);
}

void stash_event(Writer& writer, NameRef name, std::span<const Attribute> attributes,
                 const SpanState* span) noexcept {
    const bool ours = span == nullptr || (span->bits & kStateStashed) != 0;
    const std::uint32_t number = cached_number(name.name);
    if (!ours || number == 0 || !attributes.empty() ||
        !stash_timed(writer, SPANRING_REC_EVENT, number)) {
        count_signal_loss(writer, Loss::kDetail);
    }
}

void stash_attribute(Writer& writer, NameRef key, const AttributeValue& value,
                     const SpanState* span) noexcept {
    using Type = AttributeValue::Type;
    const bool ours = span == nullptr || (span->bits & kStateStashed) != 0;
    const std::uint32_t number = cached_number(key.name);
    bool good = ours && number != 0 && writer.slot != nullptr;
    if (good && value.type() == Type::kInt) {
        good = stash_words(writer, spanring_record_head(SPANRING_REC_ATTR_INT, number, 0),
                           static_cast<std::uint64_t>(value.integer()));
    } else if (good && value.type() == Type::kDouble) {
        std::uint64_t body;
        const double real = value.real();
        std::memcpy(&body, &real, 8);
        good = stash_words(writer, spanring_record_head(SPANRING_REC_ATTR_DOUBLE, number, 0), body);
    } else if (good && value.type() == Type::kBool) {
        std::byte* at = reserve(writer, 8);
        good = at != nullptr;
        const std::uint64_t head =
            spanring_record_head(SPANRING_REC_ATTR_BOOL, number, value.boolean() ? 1 : 0);
        if (good) std::memcpy(at, &head, 8);
    } else {
        good = false;
    }
    if (!good) count_signal_loss(writer, Loss::kDetail);
}

void write_stash(Tracepoint& tracepoint) noexcept {
    Stash& stash = tracepoint.writer().stash;
    Open open;
    for (;;) {
        // relaxed: handlers that come now append behind it.
        std::uint32_t used = __atomic_load_n(&stash.used, __ATOMIC_RELAXED);
        while (stash.consumed < used) {
            stash.consumed += static_cast<std::uint32_t>(
                write_one(tracepoint, open, stash.bytes + stash.consumed));
        }
        // relaxed, both: fails if a handler has appended since; then there is more to write.
        if (__atomic_compare_exchange_n(&stash.used, &used, 0U, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED)) {
            stash.consumed = 0;
            signal_fence();
            if (__atomic_load_n(&stash.used, __ATOMIC_RELAXED) == 0) break;
        }
    }
    // What was not ended in its handler cannot be any more.
    const std::uint64_t now = shm::ticks(tracepoint.writer().clock_kind);
    while (open.count != 0) write_end(tracepoint, open, now);
    tracepoint.publish();
}

}  // namespace spanring::detail
