// What the catalogue wants to know of finished spans: gathered from batches, by the indexer for
// extents and by readers for the part of the log that is not indexed yet. Threads: one owner.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "spanring/codec/batch.hpp"
#include "trace_set.hpp"

namespace spanring::store {

struct OperationKey {
    std::string service;
    std::string name;
    codec::SpanKind kind{codec::SpanKind::kUnset};
    auto operator<=>(const OperationKey&) const = default;
};
struct OperationCounts {
    std::uint64_t spans{0};
    std::uint64_t errors{0};
};

struct Facts {
    std::map<OperationKey, OperationCounts> operations;
    std::set<std::string> services;
    std::set<std::string> attribute_keys;
    std::set<Key128> host_keys;
    TraceSet traces;
    std::uint64_t spans{0};
    bool any_start{false};  ///< else the next two mean nothing
    bool all_start{true};   ///< false: there are spans without a start
    std::int64_t start_ns_min{0};
    std::int64_t start_ns_max{0};
    // Of finished spans: when they ended.
    __extension__ using Sum = __int128;
    std::uint64_t ends{0};
    std::int64_t end_ns_min{0};  ///< of `ends` spans; none: 0
    Sum end_ns_sum{0};

    void add(const codec::Batch& batch);
    void add(const Facts& other);
};

}  // namespace spanring::store
