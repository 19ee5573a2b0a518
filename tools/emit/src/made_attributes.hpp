// A list of attributes as the library takes it, and as the oracle writes it down.
// Threads: one.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "model.hpp"
#include "spanring/attribute.hpp"
#include "values.hpp"

namespace spanring::tools::emit {

class MadeAttributes {
public:
    /// Up to `count_max` attributes with keys that differ.
    static MadeAttributes roll(Dice& dice, std::size_t count_max, std::size_t text_bytes_max) {
        MadeAttributes made;
        const std::size_t count = dice.below(count_max + 1);
        for (std::size_t i = 0; i < count; ++i) {
            made.add("a" + std::to_string(i), MadeValue::roll(dice, text_bytes_max));
        }
        return made;
    }
    void add(std::string key, MadeValue value) {
        keys_.push_back(std::move(key));
        values_.push_back(std::move(value));
        views_.push_back({Key(keys_.back()), values_.back().view()});
    }
    /// Valid while this lives.
    [[nodiscard]] std::span<const Attribute> views() const noexcept { return views_; }
    [[nodiscard]] ModelAttributes model() const {
        ModelAttributes out;
        for (std::size_t i = 0; i < keys_.size(); ++i)
            out.emplace_back(keys_[i], values_[i].json());
        return out;
    }

private:
    std::deque<std::string> keys_;  // deques: the views point into them, also after a move
    std::deque<MadeValue> values_;
    std::vector<Attribute> views_;
};

}  // namespace spanring::tools::emit
