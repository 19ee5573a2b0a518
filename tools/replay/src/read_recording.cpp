// Reading a file into a Recording: which format it is, and what is wrong with it.
#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <string_view>

#include "recording.hpp"
#include "spanring/codec/nezha_csv.hpp"
#include "spanring/codec/zipkin_json.hpp"

namespace spanring::tools::replay {
namespace {

/// What is looked at to guess the format.
constexpr std::size_t kGuessBytes = 4096;
/// Zipkin JSON is parsed as a whole, at some ten times its size.
constexpr std::streamoff kZipkinBytesMax = 512ll << 20;

Result<Recording> read_nezha(std::istream& in, const std::string& path) {
    Recording recording;
    codec::NezhaCsvReader reader(in, path);
    while (true) {
        Result<std::optional<codec::Span>> span = reader.next();
        if (!span) return std::move(span).error();
        if (!*span) break;
        if (Result<void> added = recording.add(**span); !added) {
            return std::move(added).error().in(path);
        }
    }
    return recording;
}

Result<Recording> read_zipkin(std::istream& in, const std::string& path) {
    in.seekg(0, std::ios::end);
    if (in.tellg() > kZipkinBytesMax) {
        return Error{ErrorCode::kNoSpace, path + ": more than 512 MiB of JSON; split the file"};
    }
    in.seekg(0);
    std::ostringstream text;
    text << in.rdbuf();
    Result<std::vector<codec::Span>> spans = codec::read_zipkin_json(text.view());
    if (!spans) return std::move(spans).error().in(path);
    Recording recording;
    for (const codec::Span& span : *spans) {
        if (Result<void> added = recording.add(span); !added) {
            return std::move(added).error().in(path);
        }
    }
    return recording;
}

Error unknown_format(const std::string& path) {
    return Error{ErrorCode::kInvalidArgument,
                 path +
                     ":1: neither a nezha CSV (header TraceID,SpanID,...) nor a Zipkin v2 JSON "
                     "array; say which it is with --format"};
}

}  // namespace

Format guess_format(std::string_view beginning) noexcept {
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (beginning.substr(0, 3) == kByteOrderMark) beginning.remove_prefix(3);
    const std::size_t first = beginning.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return Format::kGuess;
    beginning.remove_prefix(first);
    if (beginning.front() == '[') return Format::kZipkin;
    const std::string_view header = beginning.substr(0, beginning.find('\n'));
    const bool has_ids = header.find("TraceID") != std::string_view::npos &&
                         header.find("SpanID") != std::string_view::npos;
    return has_ids ? Format::kNezhaCsv : Format::kGuess;
}

Result<Recording> read_recording(const std::string& path, Format format) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return os_error(errno, path);
    if (format == Format::kGuess) {
        std::string beginning(kGuessBytes, '\0');
        in.read(beginning.data(), static_cast<std::streamsize>(beginning.size()));
        // A directory opens, but cannot be read.
        if (in.bad()) return os_error(errno, path);
        beginning.resize(static_cast<std::size_t>(in.gcount()));
        in.clear();
        in.seekg(0);
        format = guess_format(beginning);
    }
    if (format == Format::kGuess) return unknown_format(path);
    Result<Recording> recording =
        format == Format::kNezhaCsv ? read_nezha(in, path) : read_zipkin(in, path);
    if (!recording) return recording;
    if (recording->size() == 0) {
        return Error{ErrorCode::kInvalidArgument, path + ": holds no span"};
    }
    recording->finish();
    return recording;
}

}  // namespace spanring::tools::replay
