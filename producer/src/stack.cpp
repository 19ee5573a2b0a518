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

std::size_t depth_of(const ThreadState& state) noexcept {
    return static_cast<std::size_t>(state.top - state.base);
}

}  // namespace

bool is_context(const StackEntry& entry) noexcept {
    return entry.kind != EntryKind::kSpan;
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

void erase(ThreadState& state, StackEntry* at) noexcept {
    if (is_context(*at)) release(at->block);
    std::memmove(at, at + 1, static_cast<std::size_t>(state.top - at) * sizeof(StackEntry));
    --state.top;
}

void pop_context(ThreadState& state) noexcept {
    while (state.top != state.base) {
        const StackEntry popped = *state.top--;
        if (!is_context(popped)) continue;
        release(popped.block);
        return;
    }
}

StackEntry* find_span(ThreadState& state, std::uint64_t key) noexcept {
    for (StackEntry* entry = state.top; entry != state.base; --entry) {
        if (entry->kind == EntryKind::kSpan && entry->key == key) return entry;
    }
    return nullptr;
}

StackEntry entry_of(Process& process, const Context& context) noexcept {
    StackEntry entry{};
    ContextBlock* block = ContextAccess::block(context);
    if (ContextAccess::kind(context) == ContextKind::kLocal) {
        if (ContextAccess::epoch(context) == process.epoch) {
            entry.kind = EntryKind::kLocal;
            entry.key = ContextAccess::key(context);
            entry.root = ContextAccess::root(context);
            entry.block = retain(block);
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

void collapse_stack(Process& process, ThreadState& state) noexcept {
    const StackEntry top = *state.top;
    ContextBlock* block = nullptr;
    if (top.kind == EntryKind::kSpan || top.kind == EntryKind::kLocal) {
        block = remote_block_of(top.key, top.root, top.block, state.epoch);
    } else {
        block = retain(top.block);
    }
    const bool had_context = state.top != state.base;
    while (state.top != state.base) {
        if (is_context(*state.top)) release(state.top->block);
        --state.top;
    }
    if (!had_context) return;
    const StackEntry entry = entry_of(process, ContextAccess::of_block(block));
    // There is room: the stack is empty.
    *++state.top = entry;
}

std::size_t attach_bytes(const StackEntry& entry) noexcept {
    if (entry.kind == EntryKind::kLocal) return 24;
    return entry.kind == EntryKind::kRemote ? 32 : 8;
}

void put_attach(Writer& writer, const StackEntry& entry) noexcept {
    Writer* w = &writer;
    if (entry.kind == EntryKind::kLocal) {
        put(w, spanring_record_head(SPANRING_REC_ATTACH_LOCAL, 0, 0));
        put(w, entry.key);
        put(w, entry.root);
    } else if (entry.kind == EntryKind::kRemote) {
        const ContextBlock& block = *entry.block;
        put(w, spanring_record_head(SPANRING_REC_ATTACH_REMOTE,
                                    block.trace_64 ? SPANRING_REMOTE_TRACE_64 : 0, block.flags));
        std::memcpy(w->cursor, block.trace.bytes.data(), 16);
        std::memcpy(w->cursor + 16, block.span.bytes.data(), 8);
        w->cursor += 24;
    } else {
        put(w, spanring_record_head(SPANRING_REC_ATTACH_NONE, 0, 0));
    }
}

void put_snapshot(Writer& writer, const ThreadState& state, std::size_t limit) noexcept {
    const std::size_t depth = depth_of(state);
    if (depth == 0) return;
    std::size_t most = (limit - 8) / 32;  // the largest entry
    if (most > kSnapshotMax) most = kSnapshotMax;
    const std::size_t count = depth < most ? depth : most;
    Writer* w = &writer;
    put(w, spanring_record_head(SPANRING_REC_SNAPSHOT, static_cast<std::uint32_t>(count),
                                static_cast<std::uint32_t>(depth)));
    for (std::size_t i = 0; i < count; ++i) {
        const StackEntry& entry =
            i == 0 ? state.base[1] : state.top[-(std::ptrdiff_t)(count - 1 - i)];
        if (is_context(entry)) {
            put_attach(writer, entry);
            continue;
        }
        put(w,
            spanring_record_head(SPANRING_REC_OPEN, entry.flags & (kEntryLost | kEntryShared), 0));
        put(w, SpanKey{entry.key}.ordinal());
    }
}

}  // namespace spanring::detail
