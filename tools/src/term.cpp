#include "term.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace spanring::tools {
namespace {

constexpr std::size_t kColumnsMin = 40;
constexpr std::size_t kColumnsMax = 500;
constexpr std::chrono::milliseconds kRedrawInterval{100};  // faster than the eye needs

std::atomic<bool> interrupt_seen{false};

void on_interrupt(int) {
    // relaxed: a flag of one process, polled; it orders nothing else.
    interrupt_seen.store(true, std::memory_order_relaxed);
}

const char* escape_of(Style style) noexcept {
    switch (style) {
        case Style::kPlain: return "";
        case Style::kBold: return "\x1b[1m";
        case Style::kDim: return "\x1b[2m";
        case Style::kRed: return "\x1b[31m";
        case Style::kGreen: return "\x1b[32m";
        case Style::kYellow: return "\x1b[33m";
        case Style::kBlue: return "\x1b[34m";
        case Style::kMagenta: return "\x1b[35m";
        case Style::kCyan: return "\x1b[36m";
    }
    return "";
}

}  // namespace

Terminal Terminal::of(int fd) {
    Terminal terminal;
    terminal.interactive = isatty(fd) == 1;
    const char* no_colour = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    const bool dumb = term != nullptr && std::strcmp(term, "dumb") == 0;
    terminal.colour = terminal.interactive && !dumb && (no_colour == nullptr || *no_colour == '\0');
    winsize size{};
    std::size_t columns = 0;
    if (terminal.interactive && ioctl(fd, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
    const char* wanted = std::getenv("COLUMNS");
    if (columns == 0 && wanted != nullptr) columns = std::strtoul(wanted, nullptr, 10);
    if (columns != 0) terminal.columns = std::clamp(columns, kColumnsMin, kColumnsMax);
    return terminal;
}

std::string Terminal::paint(Style style, std::string_view text) const {
    if (!colour || style == Style::kPlain) return std::string(text);
    return fmt::format("{}{}\x1b[0m", escape_of(style), text);
}

Style style_of_name(std::string_view name) noexcept {
    // Red is for errors and yellow for warnings.
    static constexpr Style kStyles[] = {Style::kCyan, Style::kGreen, Style::kMagenta, Style::kBlue};
    std::uint32_t hash = 2166136261u;  // FNV-1a: the same on every machine and in every run
    for (const char c : name) hash = (hash ^ static_cast<std::uint8_t>(c)) * 16777619u;
    return kStyles[(hash >> 16) % std::size(kStyles)];
}

Result<void> print(std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return os_error(errno, "cannot write to the standard output");
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

void remark(const std::string& text) {
    // It may quote what the user, or a stranger's data, says.
    const std::string line = "spanring: " + printable(text) + "\n";
    // Nothing can be done about a standard error that is gone.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

void catch_interrupts() {
    struct sigaction action {};
    action.sa_handler = on_interrupt;  // no SA_RESTART: a sleep or read ends at once
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGHUP, &action, nullptr);
}

bool interrupted() noexcept {
    // relaxed: see on_interrupt.
    return interrupt_seen.load(std::memory_order_relaxed);
}

ProgressLine::ProgressLine(std::string label, bool quiet)
    : label_(std::move(label)), active_(!quiet && isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
    clear();
}

void ProgressLine::update(std::uint64_t done, std::uint64_t total, std::string_view unit) {
    if (!active_) return;
    const auto now = std::chrono::steady_clock::now();
    if (drawn_ && now - last_ < kRedrawInterval) return;
    last_ = now;
    const Terminal terminal = Terminal::of(STDERR_FILENO);
    const auto shown = [&](std::uint64_t n) {
        return unit == "B" ? format_bytes(n) : format_count(n) + " " + std::string(unit);
    };
    std::string text = label_ + "  " + shown(done);
    if (total != 0) {
        const double fraction =
            std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
        text = fmt::format("{}  {} {:3.0f} %  {} of {}", label_, bar(fraction, 24), fraction * 100,
                           shown(done), shown(total));
    }
    const std::string line = "\r\x1b[K" + cut_to_width(text, terminal.columns - 1);
    drawn_ = ::write(STDERR_FILENO, line.data(), line.size()) > 0;
}

void ProgressLine::clear() {
    if (!drawn_) return;
    static constexpr std::string_view kErase = "\r\x1b[K";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kErase.data(), kErase.size());
    drawn_ = false;
}

}  // namespace spanring::tools
