#include "confinement.hpp"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <iterator>

namespace spanring::tools {
namespace {

/// The first word of the line "NAME:\tWORD ...".
std::optional<std::string> word_of(const std::string& status, const std::string& name) {
    const std::string start = "\n" + name + ":\t";
    const std::size_t at = status.find(start);
    if (at == std::string::npos) return std::nullopt;
    const std::size_t from = at + start.size();
    return status.substr(from, status.find_first_of("\t\n", from) - from);
}

std::optional<std::uint64_t> number_of(const std::string& status, const std::string& name,
                                       int base) {
    const auto word = word_of(status, name);
    std::uint64_t number = 0;
    if (!word) return std::nullopt;
    const auto read = std::from_chars(word->data(), word->data() + word->size(), number, base);
    if (read.ec != std::errc{}) return std::nullopt;
    return number;
}

}  // namespace

std::optional<Confinement> parse_confinement(const std::string& status) {
    const auto uid = number_of(status, "Uid", 10);
    const auto effective = number_of(status, "CapEff", 16);
    const auto permitted = number_of(status, "CapPrm", 16);
    const auto no_new = number_of(status, "NoNewPrivs", 10);
    if (!uid || !effective || !permitted || !no_new) return std::nullopt;
    constexpr std::uint64_t kFilter = 2;  // SECCOMP_MODE_FILTER; no line: a kernel without it
    return Confinement{.uid = static_cast<std::uint32_t>(*uid),
                       .capabilities = (*effective | *permitted) != 0,
                       .no_new_privileges = *no_new == 1,
                       .filtered = number_of(status, "Seccomp", 10).value_or(0) == kFilter};
}

std::optional<Confinement> confinement_of(std::int64_t pid) {
    if (pid <= 0) return std::nullopt;
    std::ifstream in(fmt::format("/proc/{}/status", pid));
    const std::string status{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    return parse_confinement(status);
}

}  // namespace spanring::tools
