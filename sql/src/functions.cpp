#include "functions.hpp"

#include <re2/re2.h>

#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "spanring/query/duration_histogram.hpp"

namespace spanring::sql {
namespace {

constexpr std::int64_t kRegexBytesMax = 1 << 20;

struct Percentile {
    query::DurationHistogram values;
    double percent{-1};
    bool failed{false};
};

/// SQLite gives zeroed memory for the pointer, the same at each call of a group.
Percentile** state_of(sqlite3_context* context, bool make) {
    return static_cast<Percentile**>(
        sqlite3_aggregate_context(context, make ? sizeof(Percentile*) : 0));
}

void percentile_fail(sqlite3_context* context, Percentile& state, const char* message) {
    state.failed = true;
    sqlite3_result_error(context, message, -1);
}

void percentile_step(sqlite3_context* context, int, sqlite3_value** arguments) {
    auto** state = state_of(context, true);
    if (state != nullptr && *state == nullptr) *state = new (std::nothrow) Percentile;
    if (state == nullptr || *state == nullptr) return sqlite3_result_error_nomem(context);
    Percentile& mine = **state;
    const int type = sqlite3_value_numeric_type(arguments[1]);
    const double percent = sqlite3_value_double(arguments[1]);
    if ((type != SQLITE_INTEGER && type != SQLITE_FLOAT) || !(percent >= 0 && percent <= 100))
        return percentile_fail(context, mine, "percentile(): the 2nd argument is from 0 to 100");
    if (mine.percent >= 0 && mine.percent != percent)
        return percentile_fail(context, mine,
                               "percentile(): the 2nd argument is the same for all rows");
    mine.percent = percent;
    if (sqlite3_value_type(arguments[0]) == SQLITE_NULL) return;
    if (sqlite3_value_numeric_type(arguments[0]) != SQLITE_INTEGER ||
        sqlite3_value_int64(arguments[0]) < 0)
        return percentile_fail(context, mine,
                               "percentile(): the 1st argument is a whole number from 0");
    try {
        mine.values.add(sqlite3_value_int64(arguments[0]));
    } catch (const std::bad_alloc&) {
        sqlite3_result_error_nomem(context);
    }
}

void percentile_final(sqlite3_context* context) {
    auto** state = state_of(context, false);
    if (state == nullptr || *state == nullptr) return;
    const std::unique_ptr<Percentile> mine(*state);
    *state = nullptr;
    if (!mine->failed && mine->values.count() != 0)
        sqlite3_result_int64(context, mine->values.percentile(mine->percent / 100));
}

std::string_view text_argument(sqlite3_value* value) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_value_text(value));
    if (text == nullptr) return {};
    return {text, static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

void regexp(sqlite3_context* context, int, sqlite3_value** arguments) {
    if (sqlite3_value_type(arguments[0]) == SQLITE_NULL ||
        sqlite3_value_type(arguments[1]) == SQLITE_NULL)
        return;
    try {
        auto* compiled = static_cast<RE2*>(sqlite3_get_auxdata(context, 0));
        std::unique_ptr<RE2> fresh;
        if (compiled == nullptr) {
            RE2::Options options;
            options.set_log_errors(false);
            options.set_max_mem(kRegexBytesMax);
            const auto pattern = text_argument(arguments[0]);
            fresh =
                std::make_unique<RE2>(re2::StringPiece(pattern.data(), pattern.size()), options);
            compiled = fresh.get();
            if (!compiled->ok())
                return sqlite3_result_error(
                    context, ("the regular expression: " + compiled->error()).c_str(), -1);
        }
        const auto text = text_argument(arguments[1]);
        sqlite3_result_int(
            context, RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *compiled));
        // From now on SQLite's, which deletes it at once if it does not keep it.
        if (fresh)
            sqlite3_set_auxdata(context, 0, fresh.release(),
                                [](void* kept) { delete static_cast<RE2*>(kept); });
    } catch (const std::bad_alloc&) {
        sqlite3_result_error_nomem(context);
    }
}

}  // namespace

int add_functions(sqlite3* connection) {
    constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    const int rc = sqlite3_create_function_v2(connection, "percentile", 2, kFlags, nullptr, nullptr,
                                              percentile_step, percentile_final, nullptr);
    if (rc != SQLITE_OK) return rc;
    return sqlite3_create_function_v2(connection, "regexp", 2, kFlags, nullptr, regexp, nullptr,
                                      nullptr, nullptr);
}

}  // namespace spanring::sql
