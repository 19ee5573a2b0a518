// Any statement: an answer, or one clear error, in its time and memory; and nothing is changed.
#include <cstdint>
#include <string_view>

#include "require.hpp"
#include "small_database.hpp"
#include "spanring/sql/session.hpp"

namespace {

using namespace spanring;
using fuzz::require;

sql::Session& session() {
    static const auto opened = [] {
        sql::Limits limits;
        limits.time_max = std::chrono::milliseconds(20);
        limits.bytes_max = 16u << 20;
        auto made = sql::Session::open(fuzz::small_database(), limits);
        require(made.ok(), "the database can be opened");
        return std::move(*made);
    }();
    return *opened;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t count) {
    const std::string_view text(reinterpret_cast<const char*>(data), count);
    std::size_t rows = 0;
    const auto ran = session().run(text, [&](const auto& names, const auto& row) {
        require(names.size() == row.size(), "a value for each column");
        return ++rows < 1000;
    });
    if (!ran) require(!ran.error().message.empty(), "an error says what is wrong");
    // However the last statement ended, the next one is answered, and the spans are there.
    static int calls = 0;
    if (++calls % 64 == 0) {
        std::int64_t spans = 0;
        const auto counted =
            session().run("SELECT count(*) FROM spans", [&](auto&, const auto& row) {
                spans = std::get<std::int64_t>(row[0]);
                return true;
            });
        require(counted.ok() && spans == 12, "the spans are there");
    }
    return 0;
}
