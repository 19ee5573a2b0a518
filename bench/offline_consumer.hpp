// The consumer without shared memory, threads and disk: assembler and batches on generated pages.
#pragma once

#include <cstdlib>
#include <memory>
#include <vector>

#include "spanring/abi/segment_layout.h"
#include "spanring/consumer/assembler.hpp"
#include "workload.hpp"

namespace spanring::bench {

class OfflineConsumer {
public:
    explicit OfflineConsumer(consumer::StringSource& strings)
        : clock_(SPANRING_CLOCK_MONOTONIC,
                 [] {
                     return consumer::ClockReading{1'000'000, 1'000'000, 1'700'000'000'000'000'000};
                 }),
          assembler_(instance(), clock_, strings) {}

    void feed(const consumer::PageBytes& page) {
        if (!assembler_.feed(page, rows_)) std::abort();  // the generator writes no such thing
    }
    /// The batches since the last call.
    std::vector<std::unique_ptr<codec::Batch>> take() { return rows_.take(); }
    void recycle(std::unique_ptr<codec::Batch> batch) { rows_.recycle(std::move(batch)); }

private:
    static codec::Instance instance() {
        codec::Instance made;
        for (std::size_t i = 0; i < 16; ++i) {
            made.id.bytes[i] = static_cast<std::uint8_t>(17 * i + 1);
            made.host_key[i] = static_cast<std::uint8_t>(3 * i);
            made.span_key[i] = static_cast<std::uint8_t>(7 * i + 1);
        }
        return made;
    }

    consumer::TickClock clock_;
    consumer::Assembler assembler_;
    consumer::RowSink rows_;
};

/// Pages written beforehand, so that their making is not measured.
class RecordedPages {
public:
    RecordedPages(const WorkloadOptions& options, std::uint64_t spans) : workload_(options) {
        while (workload_.spans() < spans) {
            pages_.push_back(workload_.next_page());
            bytes_.emplace_back(pages_.back().records.begin(), pages_.back().records.end());
            pages_.back().records = bytes_.back();
        }
    }
    void feed(OfflineConsumer& consumer) const {
        for (const auto& page : pages_) consumer.feed(page);
    }
    /// As feed(), in turns, each of which ends with a call of `turn_end`.
    template <typename TurnEnd>
    void feed(OfflineConsumer& consumer, TurnEnd turn_end) const {
        constexpr std::size_t kPagesOfTurn = 16;
        for (std::size_t i = 0; i < pages_.size(); ++i) {
            consumer.feed(pages_[i]);
            if ((i + 1) % kPagesOfTurn == 0 || i + 1 == pages_.size()) turn_end();
        }
    }
    /// As feed(), but the batches are used again, as they are after a commit.
    void feed_and_forget(OfflineConsumer& consumer) const {
        feed(consumer, [&consumer] {
            for (auto& batch : consumer.take()) consumer.recycle(std::move(batch));
        });
    }
    [[nodiscard]] std::uint64_t spans() const { return workload_.spans(); }
    [[nodiscard]] consumer::StringSource& strings() const { return workload_; }

private:
    mutable Workload workload_;
    std::vector<consumer::PageBytes> pages_;
    std::vector<std::vector<std::byte>> bytes_;
};

}  // namespace spanring::bench
