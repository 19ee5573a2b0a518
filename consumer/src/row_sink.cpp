#include "spanring/consumer/row_sink.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include "spanring/abi/record_layout.h"

namespace spanring::consumer {
namespace {

/// One count for all sinks: a NameMap that goes from one sink to another must notice.
std::uint64_t next_epoch() noexcept {
    static std::atomic<std::uint64_t> last{0};
    // relaxed: numbers that differ are all that is asked for.
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

void RowSink::start() {
    if (current_) {
        full_bytes_ += bytes_of(*current_);
        full_.push_back(std::move(current_));
    }
    if (spare_.empty()) {
        current_ = std::make_unique<codec::Batch>();
    } else {
        current_ = std::move(spare_.back());
        spare_.pop_back();
    }
    epoch_ = next_epoch();
}

std::vector<std::unique_ptr<codec::Batch>> RowSink::take() {
    if (current_ && !current_->empty()) full_.push_back(std::move(current_));
    if (!full_.empty()) epoch_ = next_epoch();
    full_bytes_ = 0;
    return std::exchange(full_, {});
}

void RowSink::rewind(const Mark& mark) {
    while (full_.size() > mark.full) {
        if (current_) recycle(std::move(current_));
        current_ = std::move(full_.back());
        full_.pop_back();
        full_bytes_ -= bytes_of(*current_);
        // What NameMaps know is of another batch.
        epoch_ = next_epoch();
    }
    if (current_) current_->rows.resize(std::min(current_->rows.size(), mark.rows));
}

void RowSink::recycle(std::unique_ptr<codec::Batch> batch) {
    if (spare_.size() >= kSpareMax) return;
    batch->clear();
    spare_.push_back(std::move(batch));
}

void NameMap::reset(std::uint64_t epoch) {
    epoch_ = epoch;
    instance = 0;
    resource.reset();
    imported_resources.clear();
}

bool NameMap::learn(std::uint32_t number, codec::Batch& batch, StringSource& strings,
                    codec::StringId* id) {
    if (number == SPANRING_ID_NONE) {
        *id = 0;
        return true;
    }
    const auto text = strings.string(number);
    if (!text) return false;
    *id = batch.intern(*text);
    if (number >= known_.size()) {
        known_.resize(std::max<std::size_t>(number + 1, known_.size() * 2));
    }
    known_[number] = {epoch_, *id};
    return true;
}

}  // namespace spanring::consumer
