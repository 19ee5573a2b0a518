// ContextBlock: the part of a context that does not fit into 32 bytes: ids of another process's
// span, tracestate, baggage. Immutable once shared, reference-counted.
//
// Threads: any. Made by extract and with_baggage, on the heap; never on the way of a tracepoint.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "spanring/context.hpp"

namespace spanring::detail {

struct BaggageMember {
    std::string key;
    std::string value;       ///< decoded
    std::string properties;  ///< as it came, without the leading semicolon
};

/// A copy counts for itself: the original's count changes while it is copied.
struct ReferenceCount {
    std::uint32_t value{1};
    ReferenceCount() = default;
    ReferenceCount(const ReferenceCount&) noexcept {}
    ReferenceCount& operator=(const ReferenceCount&) = delete;
};

struct ContextBlock {
    ReferenceCount references;
    bool has_remote{false};  ///< the ids below are those of a span of another process
    bool trace_64{false};
    std::uint8_t flags{0};  ///< W3C trace flags
    TraceId trace;
    SpanId span;
    std::string trace_state;
    std::vector<BaggageMember> baggage;

    [[nodiscard]] bool sampled() const noexcept { return (flags & 1) != 0; }
    [[nodiscard]] const std::string* find(std::string_view key) const noexcept {
        for (const BaggageMember& member : baggage) {
            if (member.key == key) return &member.value;
        }
        return nullptr;
    }
};

inline ContextBlock* retain(ContextBlock* block) noexcept {
    // relaxed: whoever copies a reference holds one.
    if (block != nullptr) __atomic_fetch_add(&block->references.value, 1U, __ATOMIC_RELAXED);
    return block;
}
inline void release(ContextBlock* block) noexcept {
    if (block == nullptr) return;
    // acq_rel: pairs with the other releases: the last one sees all uses and frees.
    if (__atomic_fetch_sub(&block->references.value, 1U, __ATOMIC_ACQ_REL) == 1) delete block;
}
/// A copy that may still be changed.
inline ContextBlock* clone(const ContextBlock* block) {
    return block != nullptr ? new ContextBlock(*block) : new ContextBlock;
}

/// Builds and reads contexts for the library.
struct ContextAccess {
    static Context local(std::uint64_t key, std::uint64_t root, ContextBlock* block,
                         std::uint32_t epoch) noexcept {
        Context context;
        context.block_ = retain(block);
        context.key_ = key;
        context.root_ = root;
        context.epoch_ = epoch;
        context.kind_ = ContextKind::kLocal;
        return context;
    }
    /// Takes the reference over. A block without ids makes an empty context with baggage.
    static Context of_block(ContextBlock* block) noexcept {
        Context context;
        context.block_ = block;
        context.kind_ =
            block != nullptr && block->has_remote ? ContextKind::kRemote : ContextKind::kEmpty;
        return context;
    }
    static ContextBlock* block(const Context& c) noexcept { return c.block_; }
    static std::uint64_t key(const Context& c) noexcept { return c.key_; }
    static std::uint64_t root(const Context& c) noexcept { return c.root_; }
    static std::uint32_t epoch(const Context& c) noexcept { return c.epoch_; }
    static ContextKind kind(const Context& c) noexcept { return c.kind_; }
    /// Returns a copy with another block, whose reference it takes over.
    static Context with_block(const Context& c, ContextBlock* block) noexcept {
        Context copy(c);
        release(copy.block_);
        copy.block_ = block;
        return copy;
    }
};

/// The context that a stack's top stands for.
Context context_of_top(Writer& writer) noexcept;
/// Ids of a span of some instance of this process as a remote block; null if they cannot be told.
ContextBlock* remote_block_of(std::uint64_t key, std::uint64_t root, const ContextBlock* block,
                              std::uint32_t epoch) noexcept;

}  // namespace spanring::detail
