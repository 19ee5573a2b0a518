// Compares one exported span with what the oracle says of it. Threads: pure.
#pragma once

#include <rapidjson/document.h>

#include <cstdint>
#include <string>
#include <vector>

namespace spanring::tools::emit {

struct SpanComparison {
    std::vector<std::string> wrong;    ///< cannot be explained by losses
    std::vector<std::string> missing;  ///< details that are absent: each one counted loss
    bool end_missing{false};           ///< the oracle knows an end, the export does not
};

/// Both are objects of the export's form; the oracle's may have `name_before`, `kind_before`,
/// `status_before` and `any_order`, and "*" for an id that it does not know.
[[nodiscard]] SpanComparison compare_span(const rapidjson::Value& oracle,
                                          const rapidjson::Value& exported);

}  // namespace spanring::tools::emit
