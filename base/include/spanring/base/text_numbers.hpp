// A number for each distinct text, from 0, in the order in which they are met; the texts stay where
// they are. Threads: one owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace spanring {

class TextNumbers {
public:
    [[nodiscard]] std::uint32_t number_of(std::string_view text) {
        key_.assign(text);
        const auto [found, fresh] =
            numbers_.try_emplace(key_, static_cast<std::uint32_t>(texts_.size()));
        if (fresh) texts_.push_back(&found->first);
        return found->second;
    }
    [[nodiscard]] const std::string& text(std::uint32_t number) const { return *texts_[number]; }
    [[nodiscard]] std::size_t size() const noexcept { return texts_.size(); }

private:
    std::string key_;  // looked up by, without an allocation each time
    std::unordered_map<std::string, std::uint32_t> numbers_;
    std::vector<const std::string*> texts_;
};

}  // namespace spanring
