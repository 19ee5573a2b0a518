#include "quota.hpp"

namespace spanring::consumer {
namespace {

template <typename Map, typename Key>
void decrement(Map& counts, const Key& key) {
    const auto at = counts.find(key);
    if (at != counts.end() && --at->second == 0) counts.erase(at);
}

template <typename Map, typename Key>
auto count_of(const Map& counts, const Key& key) {
    const auto at = counts.find(key);
    return at == counts.end() ? typename Map::mapped_type{0} : at->second;
}

}  // namespace

std::string Quota::user_refuses(std::uint32_t uid, std::uint64_t bytes) const {
    if (count_of(users_, uid) >= limits_.user_segments_max) {
        return "the user has limits.user_segments_max = " +
               std::to_string(limits_.user_segments_max) + " rings already";
    }
    if (bounds_bytes() && count_of(bytes_, uid) + bytes > limits_.user_bytes_max) {
        return "the user's rings would take more than limits.user_bytes_max = " +
               std::to_string(limits_.user_bytes_max) + " bytes";
    }
    return {};
}

std::string Quota::process_refuses(const shm::SegmentIdentity& who) const {
    if (count_of(processes_, process_of(who)) < limits_.process_segments_max) return {};
    return "the process has limits.process_segments_max = " +
           std::to_string(limits_.process_segments_max) + " rings already";
}

void Quota::took(const shm::SegmentIdentity& who) {
    ++users_[who.uid];
    ++processes_[process_of(who)];
}

void Quota::gave_back(const shm::SegmentIdentity& who) {
    decrement(users_, who.uid);
    decrement(processes_, process_of(who));
}

}  // namespace spanring::consumer
