#include "testpoints.hpp"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>

namespace spanring::kill {
namespace {

constexpr std::string_view kSection = ".spanring.testpoints";

template <typename T>
T at(std::string_view file, std::uint64_t offset) {
    T value{};
    if (offset + sizeof value <= file.size())
        std::memcpy(&value, file.data() + offset, sizeof value);
    return value;
}

std::string_view section(std::string_view file, std::string_view name) {
    const auto header = at<Elf64_Ehdr>(file, 0);
    const auto section_at = [&](std::uint64_t index) {
        return at<Elf64_Shdr>(file, header.e_shoff + index * sizeof(Elf64_Shdr));
    };
    const std::uint64_t names = section_at(header.e_shstrndx).sh_offset;
    for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
        const Elf64_Shdr found = section_at(i);
        const std::uint64_t name_at = names + found.sh_name;
        if (name_at + name.size() >= file.size()) continue;
        if (file.substr(name_at, name.size()) != name || file[name_at + name.size()] != 0) continue;
        return file.substr(found.sh_offset, found.sh_size);
    }
    return {};
}

}  // namespace

Testpoints testpoints_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string file{std::istreambuf_iterator<char>(in), {}};
    Testpoints found;
    std::string_view rest = section(file, kSection);
    while (rest.size() > sizeof(std::uint64_t)) {
        const auto address = at<std::uint64_t>(rest, 0);
        const auto end = rest.find('\0', sizeof address);
        if (end == std::string_view::npos) break;
        found[std::string(rest.substr(sizeof address, end - sizeof address))].push_back(address);
        rest.remove_prefix(end + 1);
    }
    EXPECT_TRUE(rest.empty() && !found.empty()) << path << " has no table of testpoints";
    return found;
}

}  // namespace spanring::kill
