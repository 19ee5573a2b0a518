// What the threads of one emitting process hand to each other: async spans, contexts lent for a
// while, contexts to link to or to begin late children under.
//
// Threads: any. What is taken out belongs to the taker alone.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dice.hpp"
#include "model.hpp"
#include "spanring/spanring.hpp"

namespace spanring::tools::emit {

using ModelPtr = std::shared_ptr<ModelSpan>;

/// Where a new span would hang, in the oracle's own words.
struct Place {
    std::string trace_id;  ///< empty: the next span is the root of a new trace
    std::string span_id;
    std::string trace_state;
    std::string request_id;
    std::string user_id;
    bool remote{false};
    bool suppressed{false};  ///< below a parent that is not sampled: nothing is recorded
    ModelPtr model;          ///< the local span that free events and attributes go to
};

/// The library's context and the oracle's, side by side.
struct PlacedContext {
    Context context;
    Place place;
};

struct AsyncItem {
    AsyncSpan span;
    ModelPtr model;  ///< null: not recorded
    Place place;     ///< of its children
};

class Mailbox {
public:
    /// Kept for links and late children; older ones are forgotten.
    static constexpr std::size_t kRememberedMax = 32;

    void put(AsyncItem item) {
        const std::lock_guard lock(mutex_);
        asyncs_.push_back(std::move(item));
    }
    std::optional<AsyncItem> take(Dice& dice) {
        const std::lock_guard lock(mutex_);
        return take_one(asyncs_, dice);
    }

    /// The lender must `reclaim` before the span ends. Sets the model's `borrowers`.
    void lend(PlacedContext lent) {
        lent.place.model->borrowers.store(1);
        const std::lock_guard lock(mutex_);
        lent_.push_back(std::move(lent));
    }
    std::optional<PlacedContext> borrow(Dice& dice) {
        const std::lock_guard lock(mutex_);
        return take_one(lent_, dice);
    }
    /// Returns once nobody has the span's context any more.
    void reclaim(const ModelPtr& model);

    void remember(PlacedContext context, Dice& dice) {
        const std::lock_guard lock(mutex_);
        if (remembered_.size() < kRememberedMax) {
            remembered_.push_back(std::move(context));
        } else {
            remembered_[dice.below(kRememberedMax)] = std::move(context);
        }
    }
    std::optional<PlacedContext> remembered(Dice& dice) {
        const std::lock_guard lock(mutex_);
        if (remembered_.empty()) return std::nullopt;
        return remembered_[dice.below(remembered_.size())];
    }

private:
    template <typename T>
    static std::optional<T> take_one(std::vector<T>& list, Dice& dice) {
        if (list.empty()) return std::nullopt;
        std::swap(list[dice.below(list.size())], list.back());
        std::optional<T> out(std::move(list.back()));
        list.pop_back();
        return out;
    }

    std::mutex mutex_;
    std::vector<AsyncItem> asyncs_;
    std::vector<PlacedContext> lent_;
    std::vector<PlacedContext> remembered_;
};

}  // namespace spanring::tools::emit
