// The stack of open spans and attached contexts, as the reader keeps it, too.
#include <sys/mman.h>

#include <cstring>

#include "spanring/base/os.hpp"
#include "tracepoint.hpp"

namespace spanring::detail {
namespace {

/// The reader quarantines a stream that is deeper than 65,536; what is below is ours.
constexpr std::size_t kDepthMax = 60000;
/// Entries of a snapshot at most; between the outermost and the innermost ones it is cut.
constexpr std::size_t kSnapshotMax = 64;

/// What stands above its `depth` outermost entries is not what the reader was told last.
void changed_above(ThreadState& state, std::size_t depth) noexcept {
    if (depth < state.known_depth) state.known_depth = static_cast<std::uint32_t>(depth);
}

SpanId span_id_of(const Writer& writer, std::uint64_t key) noexcept {
    const Process* p = process();
    const KnownInstance* instance = p != nullptr ? instance_of(*p, writer.epoch) : nullptr;
    return instance != nullptr ? derive_span_id(instance->span_key, SpanKey{key}) : SpanId{};
}

/// Whether this is a span of this instance in a trace that began elsewhere.
bool is_foreign(const StackEntry& entry) noexcept {
    return entry.root == 0 && entry.block != nullptr;
}

void put_open(Writer& writer, const StackEntry& entry) noexcept {
    Writer* w = &writer;
    const std::uint32_t id = entry.flags & (kEntryLost | kEntryShared);
    if (!is_foreign(entry)) {
        put(w, spanring_record_head(SPANRING_REC_OPEN, id, 0));
        put(w, SpanKey{entry.key}.ordinal());
        put(w, entry.root);
        return;
    }
    const ContextBlock& block = *entry.block;
    put(w, spanring_record_head(SPANRING_REC_OPEN_FOREIGN,
                                id | (block.trace_64 ? SPANRING_OPEN_TRACE_64 : 0), block.flags));
    put(w, SpanKey{entry.key}.ordinal());
    std::memcpy(w->cursor, block.trace.bytes.data(), 16);
    w->cursor += 16;
}

}  // namespace

std::size_t depth_of(const ThreadState& state) noexcept {
    return static_cast<std::size_t>(state.top - state.base);
}

bool is_context(const StackEntry& entry) noexcept {
    return entry.kind != EntryKind::kSpan;
}

bool owns_block(const StackEntry& entry) noexcept {
    return is_context(entry) || (entry.flags & kEntryOwnsBlock) != 0;
}

void init_stack(ThreadState& state) noexcept {
    if (state.base != nullptr && state.base != state.stack) {
        os::unmap(state.base, static_cast<std::size_t>(reinterpret_cast<char*>(state.limit) -
                                                       reinterpret_cast<char*>(state.base)));
    }
    state.base = state.stack;
    state.top = state.stack;
    state.limit = state.stack + kStackInline;
    state.stack[0] = {};
}

bool grow_stack(ThreadState& state) noexcept {
    const auto used = static_cast<std::size_t>(state.limit - state.base);
    if (used >= kDepthMax) return false;
    const std::size_t bytes = 2 * used * sizeof(StackEntry);
    void* memory = os::map(nullptr, (bytes + 4095) & ~std::size_t{4095}, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    auto* base = static_cast<StackEntry*>(memory);
    std::memcpy(base, state.base, used * sizeof(StackEntry));
    StackEntry* old = state.base;
    state.top = base + (state.top - old);
    state.base = base;
    state.limit = base + 2 * used;
    if (old != state.stack) os::unmap(old, used * sizeof(StackEntry));
    return true;
}

bool push(ThreadState& state, const StackEntry& entry) noexcept {
    if (state.top + 1 == state.limit && !grow_stack(state)) return false;
    *++state.top = entry;
    return true;
}

// Spans that were begun below a context may outlive the one that brought it along: the first of
// them takes its reference over. It is not found by its flag alone: others may share the block.
static void hand_block_over(ThreadState& state, StackEntry* from) noexcept {
    for (StackEntry* above = from + 1; from->block != nullptr && above <= state.top; ++above) {
        if (above->kind != EntryKind::kSpan || above->block != from->block) continue;
        if ((above->flags & kEntryOwnsBlock) != 0) break;
        above->flags |= kEntryOwnsBlock;
        return;
    }
    release(from->block);
}

void erase(ThreadState& state, StackEntry* at) noexcept {
    changed_above(state, static_cast<std::size_t>(at - state.base) - 1);
    if (owns_block(*at)) hand_block_over(state, at);
    std::memmove(at, at + 1, static_cast<std::size_t>(state.top - at) * sizeof(StackEntry));
    --state.top;
}

void pop_context(ThreadState& state) noexcept {
    while (state.top != state.base) {
        const StackEntry popped = *state.top--;
        changed_above(state, depth_of(state));
        if (owns_block(popped)) release(popped.block);
        if (is_context(popped)) return;
    }
}

StackEntry* find_span(ThreadState& state, std::uint64_t key) noexcept {
    for (StackEntry* entry = state.top; entry != state.base; --entry) {
        if (entry->kind == EntryKind::kSpan && entry->key == key) return entry;
    }
    return nullptr;
}

StackEntry* find_replaced(ThreadState& state, std::uint64_t key, std::uint32_t epoch) noexcept {
    for (StackEntry* entry = state.top; entry != state.base; --entry) {
        if (entry->kind == EntryKind::kRemote && entry->key == key &&
            entry->epoch == static_cast<std::uint16_t>(epoch)) {
            return entry;
        }
    }
    return nullptr;
}

StackEntry entry_of(Process& process, const Context& context) noexcept {
    StackEntry entry{};
    ContextBlock* block = ContextAccess::block(context);
    if (ContextAccess::kind(context) == ContextKind::kLocal) {
        if (ContextAccess::epoch(context) == epoch_of(process)) {
            entry.kind = EntryKind::kLocal;
            entry.key = ContextAccess::key(context);
            entry.root = ContextAccess::root(context);
            entry.block = retain(block);
            if (is_foreign(entry) && !block->trace_state.empty()) entry.flags = kEntryGated;
            return entry;
        }
        entry.block = remote_block_of(ContextAccess::key(context), ContextAccess::root(context),
                                      block, ContextAccess::epoch(context));
    } else {
        entry.block = retain(block);
    }
    const bool remote = entry.block != nullptr && entry.block->has_remote;
    entry.kind = remote ? EntryKind::kRemote : EntryKind::kNone;
    if (remote && !entry.block->sampled() && !process.settings->configuration.record_unsampled) {
        entry.flags = kEntrySuppressed | kEntryGated;
    } else if (entry.block != nullptr &&
               (!entry.block->trace_state.empty() || !entry.block->baggage.empty())) {
        entry.flags = kEntryGated;
    }
    return entry;
}

void init_thread(Process& process, ThreadState& state) noexcept {
    init_stack(state);
    state.epoch = 0;
    if (!process.has_initial) return;
    StackEntry entry = entry_of(process, ContextAccess::of_block(retain(process.initial)));
    if (!push(state, entry)) release(entry.block);
}

namespace {

/// What a span or local context of the left instance is from now on: the parent of what comes.
StackEntry left_behind(Process& process, const ThreadState& state, const StackEntry& entry,
                       bool forked) noexcept {
    ContextBlock* block = remote_block_of(entry.key, entry.root, entry.block, state.epoch);
    StackEntry told = entry_of(process, ContextAccess::of_block(block));
    told.detail_bytes = is_context(entry) ? entry.detail_bytes : 0;
    if (!is_context(entry) && !forked) {
        told.key = entry.key;
        told.epoch = static_cast<std::uint16_t>(state.epoch);
        told.flags |= entry.flags & (kEntryOwnsContext | kEntryLost);
    }
    return told;
}

}  // namespace

void leave_instance(Process& process, ThreadState& state, bool forked) noexcept {
    // From the top, because an entry borrows its block from the one below that owns it.
    for (StackEntry* at = state.top; at != state.base; --at) {
        if (at->kind != EntryKind::kSpan && at->kind != EntryKind::kLocal) continue;
        const StackEntry told = left_behind(process, state, *at, forked);
        if (owns_block(*at)) release(at->block);
        *at = told;
    }
    StackEntry* kept = state.base;
    for (StackEntry* at = state.base + 1; at <= state.top; ++at) {
        // What nobody can end any more is needed only as far as it is the parent of something.
        const bool endless = kept != state.base && forked && kept->detail_bytes == 0;
        if (endless && at->detail_bytes == 0) {
            release(kept->block);
            *kept = *at;
        } else {
            *++kept = *at;
        }
    }
    state.top = kept;
    changed_above(state, 0);
}

std::size_t attach_bytes(const StackEntry& entry) noexcept {
    if (entry.kind == EntryKind::kLocal) return is_foreign(entry) ? 32 : 24;
    return entry.kind == EntryKind::kRemote ? 32 : 8;
}

void put_attach(Writer& writer, const StackEntry& entry) noexcept {
    Writer* w = &writer;
    if (entry.kind == EntryKind::kLocal && !is_foreign(entry)) {
        put(w, spanring_record_head(SPANRING_REC_ATTACH_LOCAL, 0, 0));
        put(w, entry.key);
        put(w, entry.root);
    } else if (entry.kind != EntryKind::kNone) {
        const ContextBlock& block = *entry.block;
        const SpanId span =
            entry.kind == EntryKind::kLocal ? span_id_of(writer, entry.key) : block.span;
        put(w, spanring_record_head(SPANRING_REC_ATTACH_REMOTE,
                                    block.trace_64 ? SPANRING_REMOTE_TRACE_64 : 0, block.flags));
        std::memcpy(w->cursor, block.trace.bytes.data(), 16);
        std::memcpy(w->cursor + 16, span.bytes.data(), 8);
        w->cursor += 24;
    } else {
        put(w, spanring_record_head(SPANRING_REC_ATTACH_NONE, 0, 0));
    }
}

bool put_snapshot(Writer& writer, ThreadState& state, std::size_t limit) noexcept {
    const std::size_t depth = depth_of(state);
    if (depth == 0) return true;
    std::size_t most = (limit - 8) / 32;  // the largest entry
    if (most > kSnapshotMax) most = kSnapshotMax;
    std::size_t first = depth > most ? depth - most : 0;
    const std::size_t known =
        writer.resync != 0 && state.known_depth < depth ? state.known_depth : depth;
    if (known < first) first = known;
    const std::size_t count = depth - first < most ? depth - first : most;
    Writer* w = &writer;
    put(w, spanring_record_head(SPANRING_REC_SNAPSHOT, static_cast<std::uint32_t>(count),
                                static_cast<std::uint32_t>(depth | first << 16)));
    for (std::size_t i = first + 1; i <= first + count; ++i) {
        const StackEntry& entry = state.base[i];
        if (is_context(entry))
            put_attach(writer, entry);
        else
            put_open(writer, entry);
    }
    state.known_depth = static_cast<std::uint32_t>(first + count);
    return first + count == depth;
}

}  // namespace spanring::detail
