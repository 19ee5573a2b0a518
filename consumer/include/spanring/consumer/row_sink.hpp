// Where finished rows of a turn go: batches of at most codec::kBatchSpansMax rows and some MiB,
// shared by all segments. And NameMap, one segment's translation of string numbers into those of
// the batch that is being filled. Threads: the drain thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "spanring/codec/batch.hpp"

namespace spanring::consumer {

class RowSink {
public:
    /// Returns a batch with room for one more row and, unless a single span is larger than that,
    /// for its details, names and resource.
    codec::Batch& batch() {
        if (!has_room()) start();
        return *current_;
    }
    /// Changes whenever batch() is another one: what was interned before is then void.
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    /// Hands the filled batches over; the next row starts a new one.
    [[nodiscard]] std::vector<std::unique_ptr<codec::Batch>> take();
    /// Gives a batch back for reuse.
    void recycle(std::unique_ptr<codec::Batch> batch);
    [[nodiscard]] std::uint64_t rows_total() const noexcept { return rows_total_; }
    /// What stands in the batches that were not taken yet.
    [[nodiscard]] std::size_t bytes() const noexcept {
        return full_bytes_ + (current_ ? bytes_of(*current_) : 0);
    }
    [[nodiscard]] static std::size_t bytes_of(const codec::Batch& batch) noexcept {
        return batch.content_bytes() + batch.rows.size() * sizeof(codec::Row);
    }

    /// A place in the rows, to go back to. Void once take() was called.
    struct Mark {
        std::size_t full{0};
        std::size_t rows{0};  ///< of the batch behind the full ones
    };
    [[nodiscard]] Mark mark() const noexcept {
        return {full_.size(), current_ ? current_->rows.size() : 0};
    }
    /// Forgets the rows behind the mark.
    void rewind(const Mark& mark);
    /// Rows of one batch: kBatchSpansMax if not said. Open spans, which nobody queries, need fewer.
    void set_rows_max(std::size_t rows) noexcept { rows_max_ = rows; }
    void count_rows(std::size_t rows) noexcept { rows_total_ += rows; }
    /// Whether batch() is still the same.
    [[nodiscard]] bool has_room() const noexcept {
        return current_ && current_->rows.size() < rows_max_ &&
               current_->content_bytes() < kBatchBytesTarget;
    }

private:
    /// Content of a batch beyond which a new one begins: 8,192 spans with some attributes stay
    /// below, and the largest row (1 MiB of details, of names and of resource each) leaves it far
    /// from codec::kBatchBytesMax.
    static constexpr std::size_t kBatchBytesTarget = 8u << 20;
    static constexpr std::size_t kSpareMax = 16;

    void start();

    std::size_t rows_max_{codec::kBatchSpansMax};
    std::unique_ptr<codec::Batch> current_;
    std::vector<std::unique_ptr<codec::Batch>> full_;
    std::size_t full_bytes_{0};
    std::vector<std::unique_ptr<codec::Batch>> spare_;
    std::uint64_t epoch_{0};
    std::uint64_t rows_total_{0};
};

/// The strings of one segment by number; the text stays valid as long as the source.
class StringSource {
public:
    virtual ~StringSource() = default;
    /// Returns nothing if there is no such string: the producer named one that it never wrote.
    virtual std::optional<std::string_view> string(std::uint32_t number) = 0;
};

class NameMap {
public:
    /// Returns the batch's number of string `number` of the segment; false: there is none.
    bool name(std::uint32_t number, codec::Batch& batch, StringSource& strings,
              codec::StringId* id) {
        if (number < known_.size() && known_[number].epoch == epoch_) {
            *id = known_[number].id;
            return true;
        }
        return learn(number, batch, strings, id);
    }
    /// As name(), if it is known already.
    [[nodiscard]] bool known(std::uint32_t number, codec::StringId* id) const noexcept {
        if (number >= known_.size() || known_[number].epoch != epoch_) return false;
        *id = known_[number].id;
        return true;
    }
    /// To be called before a batch is written to.
    void enter(std::uint64_t epoch) {
        if (epoch != epoch_) reset(epoch);
    }

    codec::InstanceIndex instance{0};           ///< 0: not yet interned in this batch
    std::optional<codec::ResourceId> resource;  ///< the process's own
    std::unordered_map<std::string, codec::ResourceId> imported_resources;  ///< by raw records

private:
    struct Known {
        std::uint64_t epoch{0};
        codec::StringId id{0};
    };

    void reset(std::uint64_t epoch);
    bool learn(std::uint32_t number, codec::Batch& batch, StringSource& strings,
               codec::StringId* id);

    std::vector<Known> known_;
    std::uint64_t epoch_{0};
};

}  // namespace spanring::consumer
