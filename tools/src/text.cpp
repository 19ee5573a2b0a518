// Widths, cutting, tables and bars: term.hpp's part that knows Unicode.
#include <algorithm>
#include <cmath>

#include "term.hpp"

namespace spanring::tools {
namespace {

constexpr std::string_view kEllipsis = "…";

// One code point starting at text[*at], *at moved behind it. A broken byte counts as itself.
std::uint32_t next_code_point(std::string_view text, std::size_t* at) noexcept {
    const auto byte = static_cast<std::uint8_t>(text[*at]);
    const std::size_t length = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    std::uint32_t code = length == 1 ? byte : byte & (0xffu >> (length + 1));
    std::size_t used = 1;
    while (used < length && *at + used < text.size() &&
           (static_cast<std::uint8_t>(text[*at + used]) & 0xc0u) == 0x80u) {
        code = code << 6 | (static_cast<std::uint8_t>(text[*at + used]) & 0x3fu);
        ++used;
    }
    *at += used;
    return code;
}

// The wide blocks of Unicode's East Asian Width, coarsely, and the combining marks of Latin text.
std::size_t columns_of(std::uint32_t code) noexcept {
    if (code < 0x300) return 1;
    if (code <= 0x36f || code == 0x200b || code == 0x200d || (code >= 0xfe00 && code <= 0xfe0f)) {
        return 0;
    }
    const bool wide = (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) ||
                      (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff) ||
                      (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60) ||
                      (code >= 0x1f300 && code <= 0x1faff) || (code >= 0x20000 && code <= 0x3fffd);
    return wide ? 2 : 1;
}

// Behind the escape sequence that starts at text[at] ("\x1b[...m").
std::size_t skip_escape(std::string_view text, std::size_t at) noexcept {
    while (at < text.size() && text[at] != 'm') ++at;
    return std::min(at + 1, text.size());
}

bool has_escape(std::string_view text) noexcept {
    return text.find('\x1b') != std::string_view::npos;
}

}  // namespace

std::size_t display_width(std::string_view text) noexcept {
    std::size_t columns = 0;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == '\x1b') {
            at = skip_escape(text, at);
        } else {
            columns += columns_of(next_code_point(text, &at));
        }
    }
    return columns;
}

std::string cut_to_width(std::string_view text, std::size_t columns) {
    if (display_width(text) <= columns) return std::string(text);
    if (columns == 0) return {};
    std::size_t used = 0;
    std::size_t at = 0;
    while (at < text.size()) {
        std::size_t next = at;
        const std::size_t width = columns_of(next_code_point(text, &next));
        if (used + width > columns - 1) break;
        used += width;
        at = next;
    }
    return std::string(text.substr(0, at)) + std::string(kEllipsis);
}

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t start = at;
        const std::uint32_t code = next_code_point(text, &at);
        if (code == '\n' || code == '\t' || code == '\r') {
            out += ' ';
        } else if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
            out += "�";
        } else {
            out += text.substr(start, at - start);
        }
    }
    return out;
}

std::string bar(double fraction, std::size_t columns) {
    static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const double clamped = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0.0;
    const auto eighths =
        static_cast<std::size_t>(std::lround(clamped * static_cast<double>(columns) * 8));
    std::string out;
    for (std::size_t i = 0; i < eighths / 8; ++i) out += "█";
    out += kEighths[eighths % 8];
    const std::size_t used = eighths / 8 + (eighths % 8 != 0 ? 1 : 0);
    out.append(columns - used, ' ');
    return out;
}

std::string Table::render(const Terminal& terminal) const {
    if (rows_.empty()) return {};
    std::vector<std::size_t> widths(columns_.size());
    for (std::size_t c = 0; c < columns_.size(); ++c) {
        widths[c] = display_width(columns_[c].title);
        for (const auto& row : rows_) widths[c] = std::max(widths[c], display_width(row[c]));
        if (columns_[c].columns_max != 0) widths[c] = std::min(widths[c], columns_[c].columns_max);
    }
    std::string out;
    const auto line = [&](const auto& cell_of, Style style) {
        std::string text;
        for (std::size_t c = 0; c < columns_.size(); ++c) {
            const std::string& whole = cell_of(c);
            const std::string cell = has_escape(whole) ? whole : cut_to_width(whole, widths[c]);
            const std::string pad(widths[c] - std::min(widths[c], display_width(cell)), ' ');
            if (c != 0) text += "  ";
            text += columns_[c].align == Align::kRight ? pad + cell : cell + pad;
        }
        text.erase(text.find_last_not_of(' ') + 1);
        out += terminal.paint(style, text) + "\n";
    };
    line([&](std::size_t c) -> const std::string& { return columns_[c].title; }, Style::kDim);
    for (const auto& row : rows_) {
        line([&](std::size_t c) -> const std::string& { return row[c]; }, Style::kPlain);
    }
    return out;
}

}  // namespace spanring::tools
