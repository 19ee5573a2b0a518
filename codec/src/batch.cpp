#include "spanring/codec/batch.hpp"

#include <algorithm>
#include <functional>

namespace spanring::codec {

static_assert(sizeof(Row) == 88, "rows are copied in bulk: no accidental growth");

Batch::Batch() {
    clear();
}

void Batch::clear() {
    rows.clear();
    details.clear();
    text_.clear();
    string_ends_.assign(1, 0);
    std::fill(string_slots_.begin(), string_slots_.end(), 0);
    resources_.assign(1, {});
    resource_bytes_ = 0;
    scopes_.assign(1, {0, 0});
    instances_.clear();
    resource_cache_.clear();
}

// Returns the slot of `text`, or the free one where it belongs.
std::size_t Batch::slot_of(std::string_view text) const noexcept {
    const std::size_t mask = string_slots_.size() - 1;
    std::size_t i = std::hash<std::string_view>{}(text)&mask;
    while (string_slots_[i] != 0 && string(string_slots_[i]) != text) i = (i + 1) & mask;
    return i;
}

void Batch::index_strings() {
    constexpr std::size_t kSlotsMin = 64;
    std::size_t slots = kSlotsMin;
    while (slots < string_count() * 4) slots *= 2;
    string_slots_.assign(slots, 0);
    for (StringId id = 1; id < string_count(); ++id) string_slots_[slot_of(string(id))] = id;
}

StringId Batch::intern(std::string_view text) {
    if (text.empty()) return 0;
    if (string_slots_.size() < string_count() * 2) index_strings();
    const std::size_t slot = slot_of(text);
    if (string_slots_[slot] == 0) {
        string_slots_[slot] = static_cast<StringId>(string_count());
        text_.append(text);
        string_ends_.push_back(text_.size());
    }
    return string_slots_[slot];
}

// Linear searches: a batch holds a handful of processes, and their producers' consumers remember
// the numbers.
ResourceId Batch::intern_resource(std::span<const std::byte> attribute_records) {
    const auto equal = [&](const std::vector<std::byte>& other) {
        return std::equal(other.begin(), other.end(), attribute_records.begin(),
                          attribute_records.end());
    };
    const auto found = std::find_if(resources_.begin(), resources_.end(), equal);
    const auto id = static_cast<ResourceId>(found - resources_.begin());
    if (found == resources_.end()) {
        resources_.emplace_back(attribute_records.begin(), attribute_records.end());
        resource_bytes_ += attribute_records.size();
    }
    return id;
}

std::span<const std::byte> Batch::resource(ResourceId id) const noexcept {
    return resources_[id];
}

ScopeId Batch::intern_scope(StringId name, StringId version) {
    const std::pair wanted{name, version};
    const auto found = std::find(scopes_.begin(), scopes_.end(), wanted);
    const auto id = static_cast<ScopeId>(found - scopes_.begin());
    if (found == scopes_.end()) scopes_.push_back(wanted);
    return id;
}

InstanceIndex Batch::intern_instance(const Instance& instance) {
    const auto found = std::find(instances_.begin(), instances_.end(), instance);
    const auto index = static_cast<InstanceIndex>(found - instances_.begin()) + 1;
    if (found == instances_.end()) instances_.push_back(instance);
    return index;
}

}  // namespace spanring::codec
