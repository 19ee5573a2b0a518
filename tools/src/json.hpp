// JSON output of the commands: a small face on RapidJSON's writer. Threads: one writer, one thread.
#pragma once

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spanring::tools {

/// Writes one JSON document; invalid UTF-8 is replaced, so that the output always parses.
class Json {
public:
    Json& open_object();
    Json& close_object();
    Json& open_array();
    Json& close_array();
    Json& key(std::string_view name);

    Json& value(std::string_view text);
    Json& value(const char* text) { return value(std::string_view(text)); }
    Json& value(bool flag);
    Json& value(std::int64_t number);
    Json& value(std::uint64_t number);
    Json& value(int number) { return value(static_cast<std::int64_t>(number)); }
    Json& value(std::uint32_t number) { return value(static_cast<std::uint64_t>(number)); }
    /// Not a number and infinity become null.
    Json& value(double number);
    Json& null();
    /// A value that is JSON text already.
    Json& raw(std::string_view json);

    template <typename T>
    Json& value(const std::optional<T>& maybe) {
        return maybe ? value(*maybe) : null();
    }
    template <typename T>
    Json& field(std::string_view name, const T& content) {
        key(name);
        return value(content);
    }

    /// The document so far; with a newline at the end it is one line of output.
    [[nodiscard]] std::string_view text() const noexcept {
        return {buffer_.GetString(), buffer_.GetSize()};
    }
    [[nodiscard]] std::string line() const { return std::string(text()) + "\n"; }
    /// Forgets the document; the next one can be written.
    void clear();

private:
    rapidjson::StringBuffer buffer_;
    rapidjson::Writer<rapidjson::StringBuffer> writer_{buffer_};
};

/// Returns `text` as valid UTF-8: broken sequences become U+FFFD.
[[nodiscard]] std::string valid_utf8(std::string_view text);

}  // namespace spanring::tools
