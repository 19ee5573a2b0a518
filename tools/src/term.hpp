// Talking to people: colours, widths, tables, progress, numbers with units.
//
// Colour only on a terminal and never with NO_COLOR; progress only on a terminal. Nothing here
// writes to stdout by itself except `print`. Threads: the main thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spanring/base/result.hpp"

namespace spanring::tools {

enum class Style : std::uint8_t {
    kPlain,
    kBold,
    kDim,
    kRed,
    kGreen,
    kYellow,
    kBlue,
    kMagenta,
    kCyan
};

/// What one output stream can do.
struct Terminal {
    bool interactive{false};  ///< is a terminal
    bool colour{false};       ///< terminal, no NO_COLOR, TERM is not "dumb"
    std::size_t columns{100};

    [[nodiscard]] static Terminal of(int fd);
    /// Returns `text` in `style`, or as it is when there is no colour.
    [[nodiscard]] std::string paint(Style style, std::string_view text) const;
};

/// Stable colour for a name (service), so that the same service looks the same everywhere.
[[nodiscard]] Style style_of_name(std::string_view name) noexcept;

/// Columns that `text` takes on a terminal: code points (wide East Asian ones count two), escape
/// sequences none.
[[nodiscard]] std::size_t display_width(std::string_view text) noexcept;
/// Cuts `text` to `columns`, with "…" if something was cut. No escape sequences inside.
[[nodiscard]] std::string cut_to_width(std::string_view text, std::size_t columns);
/// Replaces control characters, so that data from a trace cannot drive the terminal.
[[nodiscard]] std::string printable(std::string_view text);

/// 950 ns, 1.23 µs, 45.6 ms, 7.89 s, 3 m 05 s, 2 h 10 m, 3 d 4 h.
[[nodiscard]] std::string format_duration(std::int64_t ns);
/// 512 B, 1.5 KiB, 16.0 MiB.
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);
/// 1,234,567
[[nodiscard]] std::string format_count(std::uint64_t count);
/// 12.3 k, 4.56 M: for rates.
[[nodiscard]] std::string format_rate(double per_second);
/// Local time, 2026-11-22 10:04:43.123.
[[nodiscard]] std::string format_time(std::int64_t realtime_ns);
/// UTC, 2026-11-22T10:04:43.123456789Z: for JSON.
[[nodiscard]] std::string format_rfc3339(std::int64_t realtime_ns);

/// "15ns", "2us" ("µs"), "1.5ms", "3s", "5m", "2h", "7d". Errors: kInvalidArgument.
[[nodiscard]] Result<std::int64_t> parse_duration(std::string_view text);
/// A duration before `now_ns` ("15m"), RFC 3339 ("2026-11-22T10:04:43.5Z", "+02:00", a space for
/// T), or integer nanoseconds since the epoch (16 digits and more). Errors: kInvalidArgument.
[[nodiscard]] Result<std::int64_t> parse_time(std::string_view text, std::int64_t now_ns);
/// "64MiB", "10G" (powers of 1024), "512". Errors: kInvalidArgument.
[[nodiscard]] Result<std::uint64_t> parse_bytes(std::string_view text);
/// "1.5M", "200k", "1000". Errors: kInvalidArgument.
[[nodiscard]] Result<double> parse_rate(std::string_view text);

[[nodiscard]] std::int64_t realtime_now_ns() noexcept;

/// Columns aligned by content. The header is shown dimmed; a table without rows prints nothing.
class Table {
public:
    enum class Align : std::uint8_t { kLeft, kRight };
    struct Column {
        std::string title;
        Align align{Align::kLeft};
        std::size_t columns_max{0};  ///< 0: no limit
    };
    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
    /// Cells may hold escape sequences of `Terminal::paint` (then they are not cut).
    void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }
    [[nodiscard]] std::string render(const Terminal& terminal) const;

private:
    std::vector<Column> columns_;
    std::vector<std::vector<std::string>> rows_;
};

/// A bar of `columns` cells, `fraction` (0..1) of it filled, in eighths of a cell.
[[nodiscard]] std::string bar(double fraction, std::size_t columns);

/// One progress line on stderr, redrawn at most every 100 ms; silent when stderr is no terminal or
/// `quiet`. The destructor removes the line.
class ProgressLine {
public:
    ProgressLine(std::string label, bool quiet);
    ~ProgressLine();
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;
    /// `total` 0: unknown, the count alone is shown. `unit` e.g. "spans", or "B" for bytes.
    void update(std::uint64_t done, std::uint64_t total, std::string_view unit);
    void clear();

private:
    std::string label_;
    bool active_{false};
    bool drawn_{false};
    std::chrono::steady_clock::time_point last_{};
};

/// Writes all of `text` to stdout. Errors: kIo. A reader that went away (EPIPE) is not an error: it
/// ends the program quietly through SIGPIPE.
[[nodiscard]] Result<void> print(std::string_view text);
/// One line on stderr, "spanring: " in front.
void remark(const std::string& text);

/// Ctrl-C and SIGTERM: after `catch_interrupts`, `interrupted()` turns true instead of the process
/// dying.
void catch_interrupts();
[[nodiscard]] bool interrupted() noexcept;

}  // namespace spanring::tools
