#include "value.hpp"

#include <fmt/format.h>

#include "term.hpp"

namespace spanring::tools {
namespace {

constexpr std::size_t kBytesShown = 16;

struct ToText {
    std::string operator()(bool flag) const { return flag ? "true" : "false"; }
    std::string operator()(std::int64_t number) const { return std::to_string(number); }
    std::string operator()(double number) const { return fmt::format("{}", number); }
    std::string operator()(const std::string& text) const { return printable(text); }
    std::string operator()(const codec::Json& json) const { return printable(json.text); }
    std::string operator()(const codec::Bytes& bytes) const {
        std::string out = fmt::format("({} bytes) ", bytes.data.size());
        for (std::size_t i = 0; i < bytes.data.size() && i < kBytesShown; ++i) {
            out += fmt::format("{:02x}", static_cast<unsigned char>(bytes.data[i]));
        }
        return bytes.data.size() > kBytesShown ? out + "…" : out;
    }
    template <typename T>
    std::string operator()(const std::vector<T>& values) const {
        std::string out = "[";
        for (std::size_t i = 0; i < values.size(); ++i) {
            out += (i == 0 ? "" : ", ") + (*this)(static_cast<T>(values[i]));
        }
        return out + "]";
    }
};

}  // namespace

std::string value_text(const codec::Value& value) {
    return std::visit(ToText{}, value);
}

}  // namespace spanring::tools
