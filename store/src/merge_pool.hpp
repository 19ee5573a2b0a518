// Rows of many small batches, gathered to be dealt out anew: by trace, into a few large batches
// whose strings, resources and instances stand once. Bounded: whoever fills it looks at full().
// Threads: one owner.
#pragma once

#include <cstdint>
#include <vector>

#include "spanring/base/result.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/store/frame.hpp"

namespace spanring::store {

class MergePool {
public:
    /// Copies all rows. Errors: kCorrupt if a row refers to what is not there.
    [[nodiscard]] Result<void> add(const codec::Batch& batch);

    /// Nothing more should be added before it is taken.
    [[nodiscard]] bool full() const noexcept;
    [[nodiscard]] bool empty() const noexcept { return pool_.rows.empty(); }

    struct Part {
        std::vector<std::byte> batch;  ///< encoded
        FrameSummary summary;
    };
    /// Returns the rows as batches and forgets them. The spans of a trace stand in one batch if
    /// they fit. Errors: kInvalidArgument: what was added cannot be encoded.
    [[nodiscard]] Result<std::vector<Part>> take(const codec::EncodeOptions& options);

private:
    codec::Encoder encoder_;
    codec::Batch pool_;
};

}  // namespace spanring::store
