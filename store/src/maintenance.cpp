// What is done to a whole database: check it, rebuild its catalogue, find it.
#include <fcntl.h>

#include <cstdlib>

#include "catalogue_writer.hpp"
#include "log_scanner.hpp"
#include "recovery.hpp"
#include "spanring/store/database.hpp"

namespace spanring::store {
namespace {

/// Counts one window; `report` grows. Errors: none; what is wrong is a problem of the report.
void check_window(const Folder& folder, std::uint64_t window, bool newest, CheckReport& report) {
    const std::string name = folder.file(window_name(window));
    const auto problem = [&](const std::string& text) {
        report.problems.push_back(name + text);
        ++report.frames_bad;
    };
    auto fd = folder.open_window(window, O_RDONLY);
    if (!fd) {
        // Retired while we look.
        if (fd.error().code != ErrorCode::kNotFound) problem(": " + fd.error().message);
        return;
    }
    ++report.windows;
    LogScanner scanner(fd->get(), name, 0, Verify::kEverything);
    FramePlace place;
    for (;;) {
        auto found = scanner.next(&place);
        if (!found) {
            problem(": " + found.error().message);
            return;
        }
        if (!*found) break;
        auto frame = scanner.frame(place);
        if (!frame) continue;
        bool good = decode_instances(frame->meta.instances).ok();
        for (const auto encoded : frame->batches) {
            auto batch = codec::decode(encoded);
            good = good && batch.ok();
            if (batch) report.spans += batch->rows.size();
        }
        for (const auto encoded : frame->meta.open_spans) {
            good = codec::decode(encoded).ok() && good;
        }
        if (good) {
            ++report.frames_good;
        } else {
            problem(": frame " + std::to_string(place.header.number) + " at " +
                    std::to_string(place.offset) + ": a part of it does not parse");
        }
    }
    for (const Skipped& skipped : scanner.skipped()) {
        report.problems.push_back(to_text(skipped, name));
        ++report.frames_bad;
    }
    if (scanner.tail_bytes() == 0) return;
    if (newest) {
        report.tail_bytes = scanner.tail_bytes();
    } else {
        problem(": " + std::to_string(scanner.tail_bytes()) + " bytes at " +
                std::to_string(scanner.position()) + " are no frame");
    }
}

}  // namespace

Result<CheckReport> check(const std::string& path, const Progress& progress) {
    auto folder = Folder::open(path);
    if (!folder) return std::move(folder).error();
    auto windows = folder->windows();
    if (!windows) return std::move(windows).error();
    CheckReport report;
    report.bytes = folder->bytes_total();
    std::uint64_t done = 0;
    for (const std::uint64_t window : *windows) {
        check_window(*folder, window, window == windows->back(), report);
        if (auto fd = folder->open_window(window, O_RDONLY); fd)
            if (auto bytes = file_bytes(fd->get(), path); bytes) done += *bytes;
        if (progress) progress(done, report.bytes);
    }
    return report;
}

Result<void> rebuild_catalogue(const std::string& path, const Progress& progress) {
    auto folder = Folder::open(path);
    if (!folder) return std::move(folder).error();
    auto lock = FolderLock::take_to_write(*folder);
    if (!lock) return std::move(lock).error();
    auto recovery = recover(*folder);
    if (!recovery) return std::move(recovery).error();
    const LogEnd end{recovery->end_window, recovery->end_offset, recovery->last_frame};
    auto catalogue = CatalogueWriter::open(
        *folder, end, [](auto) { return BatchFacts(); }, CatalogueWriter::Start::kAnew);
    if (!catalogue) return std::move(catalogue).error();
    const std::uint64_t total = folder->bytes_total();
    for (;;) {
        auto reached = (*catalogue)->advance(end);
        if (!reached) return std::move(reached).error();
        // By frame numbers: windows are of different lengths.
        if (progress && end.number != 0)
            progress(
                static_cast<std::uint64_t>(static_cast<double>(total) *
                                           static_cast<double>((*catalogue)->position().number) /
                                           static_cast<double>(end.number)),
                total);
        if (*reached) return (*catalogue)->take_compacted();
    }
}

std::string default_database_path() {
    const auto from = [](const char* name) -> std::string {
        const char* value = std::getenv(name);
        return value != nullptr ? value : "";
    };
    if (auto path = from("SPANRING_DB"); !path.empty()) return path;
    if (auto state = from("XDG_STATE_HOME"); !state.empty()) return state + "/spanring/db";
    return from("HOME") + "/.local/state/spanring/db";
}

}  // namespace spanring::store
