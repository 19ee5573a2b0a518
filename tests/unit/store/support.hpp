// Databases and frames for the store's tests: a folder of its own per test, frames whose spans say
// in which frame they were committed.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "spanring/codec/batch.hpp"
#include "spanring/store/database.hpp"

namespace spanring::store::testing {

class TempDir {
public:
    explicit TempDir(const std::string& where = "/tmp") : path_(where + "/spanring-store-XXXXXX") {
        EXPECT_NE(::mkdtemp(path_.data()), nullptr) << where;
    }
    ~TempDir() { remove(path_); }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string db() const { return path_ + "/db"; }

    static void remove(const std::string& path) {
        if (DIR* dir = ::opendir(path.c_str())) {
            while (const dirent* entry = ::readdir(dir)) {
                const std::string name = entry->d_name;
                if (name == "." || name == "..") continue;
                remove(path + "/" + name);
            }
            ::closedir(dir);
            ::rmdir(path.c_str());
        } else {
            ::unlink(path.c_str());
        }
    }

private:
    std::string path_;
};

inline std::vector<std::string> files_in(const std::string& folder, const std::string& ending) {
    std::vector<std::string> names;
    if (DIR* dir = ::opendir(folder.c_str())) {
        while (const dirent* entry = ::readdir(dir)) {
            const std::string name = entry->d_name;
            if (name.size() >= ending.size() &&
                name.compare(name.size() - ending.size(), ending.size(), ending) == 0)
                names.push_back(folder + "/" + name);
        }
        ::closedir(dir);
    }
    std::sort(names.begin(), names.end());
    return names;
}

inline std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_file(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

inline Key128 key_of(std::uint8_t seed) {
    Key128 key{};
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(seed + i);
    return key;
}

inline codec::Instance instance(std::uint8_t seed = 1) {
    return {InstanceId{key_of(seed)}, key_of(100), key_of(static_cast<std::uint8_t>(seed + 50))};
}

/// One native row, a root of its own trace unless `root` says otherwise.
struct NativeRow {
    std::uint64_t ordinal{1};
    std::string name{"work"};
    std::string service{"shop"};
    std::int64_t start_ns{1000};
    std::int64_t duration_ns{10};
    std::uint32_t flags{codec::RowFlag::kHasDuration};
    std::uint8_t instance{1};
    std::uint64_t root{0};
    codec::StatusCode status{codec::StatusCode::kUnset};
    std::vector<std::pair<std::string, codec::Value>> attributes{};
};

/// `service.name` of the resource goes in as any batch's writer does it.
void add_row(codec::Batch& batch, const NativeRow& row);
std::vector<std::byte> encoded(const std::vector<NativeRow>& rows);

/// A frame with these finished spans, and its summary.
struct FrameSpec {
    std::vector<NativeRow> rows;
    std::vector<NativeRow> open;
    bool snapshot{false};
};
Frame frame_of(const FrameSpec& spec);
FrameSummary summary_of(const FrameSpec& spec);

/// Commits frame after frame, each of one span with the frame's number as its ordinal and name
/// "f<number>"; snapshots where the writer wants them.
Result<std::uint64_t> commit_numbered(Writer& writer, std::uint64_t number);

/// Names of all spans that a reader sees, in the order of the visit.
std::vector<std::string> visible_names(Reader& reader, const SpanFilter& filter = {});
std::vector<std::string> visible_names(const std::string& path, const SpanFilter& filter = {});
/// "f1".."fN".
std::vector<std::string> numbered(std::uint64_t count);

std::unique_ptr<Writer> open_writer(const std::string& path, WriterOptions options = {});
std::unique_ptr<Reader> open_reader(const std::string& path);

}  // namespace spanring::store::testing
