// Turns a recorded row into the borrowed form that spanring::import_span takes.
//
// Owns the arrays that the form points to, and reuses them from row to row. Threads: one.
#pragma once

#include <vector>

#include "recording.hpp"
#include "spanring/import.hpp"

namespace spanring::tools::replay {

class Importer {
public:
    /// `with_resource`: give each span its own resource, because the process replays several
    /// services.
    Importer(const Recording& recording, bool with_resource)
        : recording_(recording), with_resource_(with_resource) {}

    /// Valid until the next call.
    [[nodiscard]] const ImportedSpan& form_of(const Row& row);

private:
    void add_details(const codec::Span& span);
    void add_resource(const Row& row, const codec::Span* whole);
    [[nodiscard]] std::span<const Attribute> keep(const codec::Attributes& attributes,
                                                  std::vector<Attribute>& list);

    const Recording& recording_;
    bool with_resource_;
    ImportedSpan form_;
    std::vector<Attribute> attributes_;
    std::vector<Attribute> resource_;
    std::vector<std::vector<Attribute>> item_attributes_;  ///< of events, then links
    std::vector<ImportedEvent> events_;
    std::vector<ImportedLink> links_;
};

}  // namespace spanring::tools::replay
