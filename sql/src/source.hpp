// What the tables of one connection share: the database that they show, the numbers of texts, and
// how long a statement may take. Threads: the connection's.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "spanring/base/result.hpp"
#include "spanring/base/text_numbers.hpp"
#include "spanring/store/database.hpp"

namespace spanring::sql {

/// Numbers of rows, the same whoever visits them: SQLite tells by them which rows of an OR it has
/// had.
class RowNumbers {
public:
    /// The number of the first row of a batch; those of the others follow.
    [[nodiscard]] std::int64_t first_of(const store::BatchPlace& batch);

private:
    struct Hash {
        std::size_t operator()(const store::BatchPlace& place) const noexcept;
    };
    std::unordered_map<store::BatchPlace, std::int64_t, Hash> batches_;
};

struct Source {
    std::unique_ptr<store::Reader> reader;
    TextNumbers texts;  ///< SQLite is given them by address: they last as long as the connection
    RowNumbers row_numbers;
    std::optional<std::chrono::steady_clock::time_point> deadline;  ///< of the statement that runs
    std::size_t open_cursors{0};
    bool refreshes_itself{false};  ///< when a statement opens its first cursor

    /// Errors: as store::Reader::open.
    [[nodiscard]] static Result<std::shared_ptr<Source>> open(const std::string& path);
    [[nodiscard]] bool is_late() const noexcept {
        return deadline && std::chrono::steady_clock::now() > *deadline;
    }
    /// To be called when a cursor opens; and when it closes, close().
    [[nodiscard]] Result<void> open_cursor();
    void close_cursor() noexcept { --open_cursors; }
};

}  // namespace spanring::sql
