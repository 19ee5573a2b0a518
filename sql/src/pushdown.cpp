#include "pushdown.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>

namespace spanring::sql {
namespace {

using store::Condition;
using store::Field;
using store::Literal;
using store::Operator;
using store::Property;

/// What the comparisons of a column are handed on as.
struct Target {
    enum class Type : std::uint8_t { kText, kNumber, kFlag, kTraceId, kSpanId, kWord, kTextNumber };
    Property property;
    Type type;
};

std::optional<Target> target_of(Column column) {
    using Type = Target::Type;
    switch (column) {
        case Column::kTraceId: return Target{Property::kTraceId, Type::kTraceId};
        case Column::kSpanId: return Target{Property::kSpanId, Type::kSpanId};
        case Column::kParentId: return Target{Property::kParentId, Type::kSpanId};
        case Column::kService: return Target{Property::kService, Type::kText};
        case Column::kServiceId: return Target{Property::kService, Type::kTextNumber};
        case Column::kName: return Target{Property::kName, Type::kText};
        case Column::kNameId: return Target{Property::kName, Type::kTextNumber};
        case Column::kKind: return Target{Property::kKind, Type::kWord};
        case Column::kKindId: return Target{Property::kKind, Type::kNumber};
        case Column::kStatus: return Target{Property::kStatus, Type::kWord};
        case Column::kStatusId: return Target{Property::kStatus, Type::kNumber};
        case Column::kStatusMessage: return Target{Property::kStatusMessage, Type::kText};
        case Column::kStart: return Target{Property::kStart, Type::kNumber};
        case Column::kDuration: return Target{Property::kDuration, Type::kNumber};
        case Column::kScopeName: return Target{Property::kScopeName, Type::kText};
        case Column::kScopeVersion: return Target{Property::kScopeVersion, Type::kText};
        case Column::kUnfinished: return Target{Property::kUnfinished, Type::kFlag};
        default: return std::nullopt;
    }
}

Condition never() {
    return Condition::negation({});
}

bool is_equality(unsigned char op) noexcept {
    return op == SQLITE_INDEX_CONSTRAINT_EQ || op == SQLITE_INDEX_CONSTRAINT_IS;
}

std::optional<Operator> comparison_of(unsigned char op) {
    switch (op) {
        case SQLITE_INDEX_CONSTRAINT_EQ:
        case SQLITE_INDEX_CONSTRAINT_IS: return Operator::kEqual;
        case SQLITE_INDEX_CONSTRAINT_NE: return Operator::kUnequal;
        case SQLITE_INDEX_CONSTRAINT_LT: return Operator::kLess;
        case SQLITE_INDEX_CONSTRAINT_LE: return Operator::kAtMost;
        case SQLITE_INDEX_CONSTRAINT_GT: return Operator::kMore;
        case SQLITE_INDEX_CONSTRAINT_GE: return Operator::kAtLeast;
        default: return std::nullopt;
    }
}

bool is_lower_hex(std::string_view text) {
    return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string_view text_of(sqlite3_value* value) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
    return text == nullptr
               ? std::string_view()
               : std::string_view(text, static_cast<std::size_t>(sqlite3_value_bytes(value)));
}

/// A number as a literal.
Literal number_of(sqlite3_value* value) {
    if (sqlite3_value_type(value) == SQLITE_INTEGER)
        return std::int64_t{sqlite3_value_int64(value)};
    return sqlite3_value_double(value);
}

/// The number of a word that names a kind or a status.
template <typename Enum>
std::optional<std::int64_t> number_of_word(std::string_view word, Enum last) {
    for (std::int64_t i = 0; i <= static_cast<std::int64_t>(last); ++i)
        if (word == to_string(static_cast<Enum>(i))) return i;
    return std::nullopt;
}

/// What every span that has the field satisfies.
Condition exists(const Field& field) {
    return Condition::compare(field, Operator::kExists, {});
}

/// Of an attribute, whose values are of any type: SQLite orders numbers (true and false are 1 and
/// 0), then text, then bytes.
Condition compare_attribute(const Field& field, Operator op, sqlite3_value* value) {
    const int type = sqlite3_value_type(value);
    // Arrays and JSON show as text, too.
    if (type == SQLITE_TEXT && op == Operator::kEqual)
        return Condition::any_of({Condition::compare(field, op, std::string(text_of(value))),
                                  Condition::compare(field, Operator::kIsNested, {})});
    if ((type != SQLITE_INTEGER && type != SQLITE_FLOAT) || op == Operator::kUnequal)
        return exists(field);
    std::vector<Condition> any;
    any.push_back(Condition::compare(field, op, number_of(value)));
    for (const bool flag : {false, true})
        any.push_back(Condition::compare(field, Operator::kEqual, flag));
    if (op == Operator::kMore || op == Operator::kAtLeast)
        any.push_back(Condition::compare(field, Operator::kIsNoNumber, {}));
    return Condition::any_of(std::move(any));
}

/// An id equals what spells it in lower case, and nothing else. 16 digits may be the short form of
/// a trace id.
template <typename Id>
Condition compare_id(const Field& field, std::size_t digits_min, sqlite3_value* value) {
    Id id;
    const auto text = text_of(value);
    if (sqlite3_value_type(value) != SQLITE_TEXT || text.size() < digits_min ||
        !is_lower_hex(text) || !from_hex(text, &id))
        return never();
    return Condition::compare(field, Operator::kEqual, id);
}

Condition compare_model(const Target& target, Operator op, sqlite3_value* value,
                        const TextNumbers& texts) {
    using Type = Target::Type;
    const Field field{target.property, store::Scope::kAny, {}};
    const int type = sqlite3_value_type(value);
    const bool number = type == SQLITE_INTEGER || type == SQLITE_FLOAT;
    switch (target.type) {
        case Type::kText:
            // A number would be compared as the text that it becomes.
            if (type != SQLITE_TEXT) return {};
            return Condition::compare(field, op, std::string(text_of(value)));
        case Type::kNumber:
            if (!number) return {};
            return Condition::compare(field, op, number_of(value));
        case Type::kTraceId: return compare_id<TraceId>(field, 16, value);
        case Type::kSpanId: return compare_id<SpanId>(field, 16, value);
        case Type::kFlag:
            if (type != SQLITE_INTEGER) return {};
            if (const auto flag = sqlite3_value_int64(value); flag == 0 || flag == 1)
                return Condition::compare(field, op, flag == 1);
            return never();
        case Type::kWord: {
            if (type != SQLITE_TEXT) return {};
            const auto found = target.property == Property::kKind
                                   ? number_of_word(text_of(value), codec::SpanKind::kConsumer)
                                   : number_of_word(text_of(value), codec::StatusCode::kError);
            return found ? Condition::compare(field, op, *found) : never();
        }
        case Type::kTextNumber: {
            if (type != SQLITE_INTEGER) return {};
            const auto n = sqlite3_value_int64(value);
            if (n < 0 || static_cast<std::uint64_t>(n) >= texts.size()) return never();
            return Condition::compare(field, op, texts.text(static_cast<std::uint32_t>(n)));
        }
    }
    return {};
}

/// Whether comparisons of this operator are handed on.
bool may_push(const Columns& columns, int column, unsigned char op) {
    // An attribute that is not a number (NaN) is NULL to SQLite, and a value to the store.
    if (columns.attribute(column) != nullptr)
        return op == SQLITE_INDEX_CONSTRAINT_ISNOTNULL || comparison_of(op);
    const auto target = target_of(static_cast<Column>(column));
    if (!target) return false;
    if (op == SQLITE_INDEX_CONSTRAINT_ISNULL || op == SQLITE_INDEX_CONSTRAINT_ISNOTNULL)
        return true;
    if (!comparison_of(op)) return false;
    return target->type == Target::Type::kText || target->type == Target::Type::kNumber ||
           is_equality(op);
}

/// Which share of the rows such a comparison leaves, for the planner: rough.
double share_of(const Columns& columns, const Pushed& pushed) {
    const bool equal = is_equality(pushed.op);
    if (columns.attribute(pushed.column) != nullptr) return equal ? 0.01 : 0.3;
    switch (static_cast<Column>(pushed.column)) {
        case Column::kTraceId: return 1e-7;
        case Column::kSpanId: return 1e-4;  // no index: the rows are few, the way to them is long
        case Column::kService:
        case Column::kServiceId: return equal ? 0.05 : 0.5;
        case Column::kName:
        case Column::kNameId: return equal ? 0.01 : 0.5;
        case Column::kStart: return equal ? 0.001 : 0.2;
        default: return equal ? 0.1 : 0.3;
    }
}

/// How much of the log must be read: the catalogue knows traces, times and services.
double part_read(const Columns& columns, const Pushed& pushed) {
    if (columns.attribute(pushed.column) != nullptr) return 1;
    switch (static_cast<Column>(pushed.column)) {
        case Column::kTraceId: return is_equality(pushed.op) ? 1e-4 : 1;
        case Column::kStart: return 0.2;
        default: return 0.9;
    }
}

Condition compare(const Pushed& pushed, const Columns& columns, const TextNumbers& texts,
                  sqlite3_value* value) {
    const std::string* key = columns.attribute(pushed.column);
    const auto target = target_of(static_cast<Column>(key == nullptr ? pushed.column : 0));
    if (!target) return {};
    const Field field = key != nullptr ? Field{Property::kAttribute, store::Scope::kAny, *key}
                                       : Field{target->property, store::Scope::kAny, {}};
    if (pushed.op == SQLITE_INDEX_CONSTRAINT_ISNULL) return Condition::negation(exists(field));
    if (pushed.op == SQLITE_INDEX_CONSTRAINT_ISNOTNULL) return exists(field);
    if (sqlite3_value_type(value) == SQLITE_NULL)
        return pushed.op == SQLITE_INDEX_CONSTRAINT_IS ? Condition{} : never();
    const Operator op = *comparison_of(pushed.op);
    if (key != nullptr) return compare_attribute(field, op, value);
    return compare_model(*target, op, value, texts);
}

Condition compare_list(const Pushed& pushed, const Columns& columns, const TextNumbers& texts,
                       sqlite3_value* list) {
    std::vector<Condition> any;
    sqlite3_value* value = nullptr;
    for (int rc = sqlite3_vtab_in_first(list, &value); rc == SQLITE_OK && value != nullptr;
         rc = sqlite3_vtab_in_next(list, &value))
        any.push_back(compare(pushed, columns, texts, value));
    return any.empty() ? never() : Condition::any_of(std::move(any));
}

}  // namespace

// "n" or "-", the columns that are used, how many groups there are; column.descending of each
// group; column.operator.list of each comparison: "- 1f.1 3.0 3.2.0 8.32.0".
std::string Plan::text() const {
    std::string out = std::string(newest_first ? "n" : "-") + " " + std::to_string(used) + "." +
                      std::to_string(groups.size());
    for (const GroupColumn& group : groups)
        out += " " + std::to_string(static_cast<int>(group.column)) + "." +
               (group.descending ? "1" : "0");
    for (const Pushed& p : pushed)
        out += " " + std::to_string(p.column) + "." + std::to_string(p.op) + "." +
               (p.list ? "1" : "0");
    return out;
}

Plan Plan::parse(const char* text) {
    Plan plan;
    const char* at = text;
    const char* const end = text + std::strlen(text);
    // Each number stands behind one character: a space or a dot.
    const auto number = [&at, end](auto& value) {
        if (at != end) at = std::from_chars(at + 1, end, value).ptr;
    };
    plan.newest_first = at != end && *at++ == 'n';
    std::size_t groups = 0;
    number(plan.used);
    number(groups);
    for (; groups > 0; --groups) {
        int column = 0;
        int descending = 0;
        number(column);
        number(descending);
        plan.groups.push_back({static_cast<Column>(column), descending != 0});
    }
    while (at != end) {
        Pushed pushed;
        unsigned op = 0;
        unsigned list = 0;
        number(pushed.column);
        number(op);
        number(list);
        pushed.op = static_cast<unsigned char>(op);
        pushed.list = list != 0;
        plan.pushed.push_back(pushed);
    }
    return plan;
}

namespace {

/// The order in groups, if that is what is asked for and all that is shown can be shown so.
std::vector<GroupColumn> groups_of(const sqlite3_index_info& info) {
    std::vector<GroupColumn> groups;
    for (int i = 0; i < info.nOrderBy; ++i) {
        const int column = info.aOrderBy[i].iColumn;
        if (column < 0 || column >= static_cast<int>(Column::kFirstAttribute) ||
            !can_group_by(static_cast<Column>(column)))
            return {};
        groups.push_back({static_cast<Column>(column), info.aOrderBy[i].desc != 0});
    }
    for (int column = 0; column < 64; ++column) {
        if ((info.colUsed >> column & 1) == 0) continue;
        if (column >= static_cast<int>(Column::kFirstAttribute) ||
            !can_group_show(static_cast<Column>(column)))
            return {};
    }
    return groups;
}

}  // namespace

int choose_plan(const Columns& columns, sqlite3_index_info* info) {
    constexpr double kRows = 1e7;
    Plan plan;
    double rows = kRows;
    double cost = kRows;
    for (int i = 0; i < info->nConstraint; ++i) {
        const auto& constraint = info->aConstraint[i];
        if (constraint.usable == 0 || constraint.iColumn < 0 ||
            !may_push(columns, constraint.iColumn, constraint.op))
            continue;
        // Text is compared byte by byte, or by SQLite alone.
        const char* collation = sqlite3_vtab_collation(info, i);
        if (collation != nullptr && std::strcmp(collation, "BINARY") != 0) continue;
        Pushed pushed{constraint.iColumn, constraint.op, false};
        if (constraint.op == SQLITE_INDEX_CONSTRAINT_EQ && sqlite3_vtab_in(info, i, -1) != 0)
            pushed.list = sqlite3_vtab_in(info, i, 1) != 0;
        plan.pushed.push_back(pushed);
        info->aConstraintUsage[i].argvIndex = static_cast<int>(plan.pushed.size());
        rows *= share_of(columns, pushed);
        cost *= part_read(columns, pushed);
    }
    if (info->nOrderBy == 1 && info->aOrderBy[0].desc != 0 &&
        info->aOrderBy[0].iColumn == static_cast<int>(Column::kStart)) {
        plan.newest_first = true;
        info->orderByConsumed = 1;
    } else if (plan.groups = groups_of(*info); !plan.groups.empty()) {
        info->orderByConsumed = 1;
    }
    plan.used = info->colUsed;
    info->estimatedRows = static_cast<sqlite3_int64>(std::max(rows, 1.0));
    info->estimatedCost = cost + rows;
    info->idxStr = sqlite3_mprintf("%s", plan.text().c_str());
    if (info->idxStr == nullptr) return SQLITE_NOMEM;
    info->needToFreeIdxStr = 1;
    return SQLITE_OK;
}

Condition condition_of(const Plan& plan, const Columns& columns, const TextNumbers& texts,
                       sqlite3_value** arguments) {
    std::vector<Condition> all;
    for (std::size_t i = 0; i < plan.pushed.size(); ++i) {
        const Pushed& pushed = plan.pushed[i];
        all.push_back(pushed.list ? compare_list(pushed, columns, texts, arguments[i])
                                  : compare(pushed, columns, texts, arguments[i]));
    }
    return Condition::all_of(std::move(all));
}

}  // namespace spanring::sql
