// The spans that are open, folded from the frames' open_spans batches: new rows are taken whole,
// kAppend rows add details to what is there, rows in finished batches take them away. Threads: one
// owner.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "spanring/base/result.hpp"
#include "spanring/codec/batch.hpp"

namespace spanring::store {

class OpenSpans {
public:
    void clear();
    /// Takes in a frame's open_spans. Errors: kCorrupt; rows before the bad one are in.
    [[nodiscard]] Result<void> apply(const codec::Batch& changes);
    /// Forgets the spans that have a finished row here.
    void remove_finished(const codec::Batch& finished);
    /// Forgets all spans of an instance that has ended.
    void remove_instance(const InstanceId& id);

    [[nodiscard]] bool empty() const noexcept { return places_.empty(); }
    /// Whether a batch with starts in [start_ns_min, start_ns_max] can hold the end of one of them.
    [[nodiscard]] bool may_end_in(std::int64_t start_ns_min,
                                  std::int64_t start_ns_max) const noexcept;
    /// The rows: complete, without kAppend. Valid until the next change.
    [[nodiscard]] const codec::Batch& batch() const noexcept { return batch_; }
    [[nodiscard]] codec::Batch take();
    /// The rows as batches of spans that are unfinished, or, if only details from other threads may
    /// still come, as good as finished. Errors: as codec::encode.
    [[nodiscard]] Result<std::vector<std::vector<std::byte>>> encoded() const;

private:
    struct Key {
        codec::InstanceIndex instance;
        std::uint64_t span;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const noexcept {
            // Fibonacci hashing: ordinals are dense, their low bits alone would do; the instance
            // only shifts them apart.
            return static_cast<std::size_t>((key.span + key.instance * 0x100000001b3ull) *
                                            0x9e3779b97f4a7c15ull);
        }
    };
    void remove(const Key& key);
    void compact();

    codec::Batch batch_;
    std::unordered_map<Key, std::size_t, KeyHash> places_;  ///< row numbers
};

}  // namespace spanring::store
