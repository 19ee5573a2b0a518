// The columns of the table `spans`: those of the data model, then one for each attribute, by its
// key. Threads: immutable once made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spanring::sql {

/// In the order in which they are declared.
enum class Column : std::uint8_t {
    kTraceId,
    kSpanId,
    kParentId,
    kService,
    kName,
    kKind,
    kStatus,
    kStatusMessage,
    kStart,
    kDuration,
    kEnd,
    kScopeName,
    kScopeVersion,
    kFlags,
    kTraceState,
    kUnfinished,
    kEndLost,
    kTruncated,
    kDroppedAttributes,
    kDroppedEvents,
    kDroppedLinks,
    kAttributes,
    kResource,
    kEvents,
    kLinks,
    // Not shown by `SELECT *`: the integers that stand for texts, and the attributes.
    kServiceId,
    kNameId,
    kKindId,
    kStatusId,
    kScopeNameId,
    kFirstAttribute,
};

struct ColumnInfo {
    const char* name;
    const char* type;
    const char* what;
};

/// Of a column of the data model.
[[nodiscard]] const ColumnInfo& info_of(Column column) noexcept;

/// The columns of one declaration of the table.
class Columns {
public:
    /// `keys`: of attributes. One that differs from a column before it in nothing but upper and
    /// lower case has no column, as SQL does not tell them apart: `attributes ->> '$.key'` has it.
    explicit Columns(const std::vector<std::string>& keys);

    /// "CREATE TABLE spans(...)", for sqlite3_declare_vtab.
    [[nodiscard]] std::string declaration() const;
    /// The key of an attribute's column; none: a column of the data model.
    [[nodiscard]] const std::string* attribute(int column) const noexcept;
    [[nodiscard]] const std::vector<std::string>& attributes() const noexcept { return keys_; }

private:
    std::vector<std::string> keys_;
};

}  // namespace spanring::sql
