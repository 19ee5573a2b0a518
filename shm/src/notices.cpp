#include "spanring/shm/notices.hpp"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <string_view>

#include "spanring/base/os.hpp"
#include "spanring/base/unique_fd.hpp"

namespace spanring::shm {
namespace {

constexpr std::string_view kFirstLine = "spanring notices 1";
constexpr std::size_t kTextBytesMax = 200;
constexpr std::size_t kFields = 8;
/// A line: three texts, five numbers of at most 20 digits, separators; and the first one.
constexpr std::size_t kFileBytesMax = 3 * kNoticesMax * (3 * kTextBytesMax + 8 * 21) + 64;
constexpr mode_t kMode = 0640;  // names of processes are their users' own business

constexpr std::array<const char*, 3> kKindNames{"quarantined", "refused", "degraded"};

std::string clean(const std::string& text) {
    std::string out = text.substr(0, kTextBytesMax);
    for (char& c : out) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    return out;
}

template <typename Number>
bool parse_number(std::string_view text, Number* out) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), *out);
    return read.ec == std::errc{} && read.ptr == text.data() + text.size();
}

bool parse_line(std::string_view line, Notice* out) {
    std::array<std::string_view, kFields> fields;
    for (std::size_t i = 0; i < kFields; ++i) {
        const std::size_t tab = line.find('\t');
        if ((tab == std::string_view::npos) != (i == kFields - 1)) return false;
        fields[i] = line.substr(0, tab);
        if (tab != std::string_view::npos) line.remove_prefix(tab + 1);
    }
    std::size_t kind = 0;
    while (kind < kKindNames.size() && fields[0] != kKindNames[kind]) ++kind;
    if (kind == kKindNames.size()) return false;
    out->kind = static_cast<Notice::Kind>(kind);
    out->process = fields[5];
    out->file = fields[6];
    out->reason = fields[7];
    return parse_number(fields[1], &out->at_s) && parse_number(fields[2], &out->count) &&
           parse_number(fields[3], &out->uid) && parse_number(fields[4], &out->pid);
}

std::string line_of(const Notice& notice) {
    std::string line = notice_kind_name(notice.kind);
    for (const std::string& field :
         {std::to_string(notice.at_s), std::to_string(notice.count), std::to_string(notice.uid),
          std::to_string(notice.pid), clean(notice.process), clean(notice.file),
          clean(notice.reason)}) {
        line += '\t' + field;
    }
    return line + '\n';
}

/// Only the directory's owner, root, and whoever serves it can have put it there in good faith.
Result<std::string> read_trusted(const RingDirectory& directory) {
    const UniqueFd fd(
        os::open_at(directory.fd(), kNoticesFile, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    if (!fd.valid()) return os_error(errno, std::string("cannot open ") + kNoticesFile);
    struct stat info;
    if (os::stat_fd(fd.get(), &info) != 0) {
        return os_error(errno, std::string("cannot examine ") + kNoticesFile);
    }
    if (!directory.trusts(info)) {
        return Error{ErrorCode::kPermission,
                     std::string(kNoticesFile) + " belongs to uid " + std::to_string(info.st_uid)};
    }
    if (!S_ISREG(info.st_mode) || info.st_size > static_cast<off_t>(kFileBytesMax)) {
        return Error{ErrorCode::kCorrupt, std::string(kNoticesFile) + " is no file of notices"};
    }
    std::string text(static_cast<std::size_t>(info.st_size), '\0');
    std::size_t bytes = 0;
    for (ssize_t got = 1; got != 0 && bytes < text.size();) {
        got = os::read(fd.get(), text.data() + bytes, text.size() - bytes);
        if (got < 0) return os_error(errno, std::string("cannot read ") + kNoticesFile);
        bytes += static_cast<std::size_t>(got);
    }
    text.resize(bytes);
    return text;
}

}  // namespace

const char* notice_kind_name(Notice::Kind kind) noexcept {
    return kKindNames[static_cast<std::size_t>(kind)];
}

Result<std::vector<Notice>> read_notices(const RingDirectory& directory) {
    auto text = read_trusted(directory);
    if (!text) {
        if (text.error().code == ErrorCode::kNotFound) return std::vector<Notice>{};
        return std::move(text).error().in(directory.path());
    }
    std::vector<Notice> notices;
    std::string_view rest = *text;
    for (bool first = true; !rest.empty(); first = false) {
        const std::size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (first && line != kFirstLine) break;  // of a version to come
        Notice notice;
        if (!first && parse_line(line, &notice)) notices.push_back(std::move(notice));
    }
    return notices;
}

Result<void> write_notices(const RingDirectory& directory, const std::vector<Notice>& notices) {
    std::string text = std::string(kFirstLine) + '\n';
    for (const Notice& notice : notices) text += line_of(notice);
    std::uint64_t random = 0;
    if (os::random_bytes(&random, sizeof random) != 0) {
        return os_error(errno, "cannot get random bytes");
    }
    char temporary[64];
    std::snprintf(temporary, sizeof temporary, ".new-%s-%016llx", kNoticesFile,
                  static_cast<unsigned long long>(random));
    const UniqueFd fd(
        os::open_at(directory.fd(), temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, kMode));
    if (!fd.valid()) return os_error(errno, std::string("cannot create ") + kNoticesFile);
    const ssize_t written = os::write(fd.get(), text.data(), text.size());
    if (written != static_cast<ssize_t>(text.size())) {
        const int error = written < 0 ? errno : ENOSPC;
        os::unlink_at(directory.fd(), temporary);
        return os_error(error, std::string("cannot write ") + kNoticesFile);
    }
    if (os::rename_at(directory.fd(), temporary, directory.fd(), kNoticesFile) != 0) {
        const int error = errno;
        os::unlink_at(directory.fd(), temporary);
        return os_error(error, std::string("cannot replace ") + kNoticesFile);
    }
    return {};
}

}  // namespace spanring::shm
