// What a golden database says: spans, operations and losses as lines of JSON.
#pragma once

#include <string>

#include "../../support/packed_file.hpp"
#include "spanring/codec/jsonl.hpp"
#include "support.hpp"

namespace spanring::store::testing {

inline std::string told_by(Reader& reader) {
    std::string lines;
    const auto visited = reader.visit({}, [&](const codec::Span& span) {
        lines += codec::to_jsonl(span) + "\n";
        return true;
    });
    const auto operations = reader.operations(std::nullopt);
    const auto stats = reader.stats();
    if (!visited || !operations || !stats) return "failed\n";
    for (const auto& one : *operations)
        lines += "{\"operation\":\"" + one.service + "/" + one.operation +
                 "\",\"spans\":" + std::to_string(one.count) +
                 ",\"errors\":" + std::to_string(one.error_count) + "}\n";
    for (const auto& lost : stats->losses)
        lines += "{\"process\":\"" + lost.process_name +
                 "\",\"lost_spans\":" + std::to_string(lost.spans) + "}\n";
    return lines;
}

}  // namespace spanring::store::testing
