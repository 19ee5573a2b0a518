// `spanring limits`: every bound that a user can meet, from the headers that define it.
#include <vector>

#include "commands.hpp"
#include "json.hpp"
#include "spanring/abi/page_layout.h"
#include "spanring/abi/record_layout.h"
#include "spanring/codec/batch.hpp"
#include "spanring/shm/directory.hpp"
#include "spanring/shm/segment_writer.hpp"
#include "spanring/store/database.hpp"
#include "term.hpp"

namespace spanring::tools {
namespace {

struct Limit {
    const char* name;
    std::uint64_t value;
    bool bytes;
    const char* then;  // what happens there, or what it is for
};

std::vector<Limit> all_limits() {
    const store::WriterOptions writer;
    return {
        {"span_bytes_max", SPANRING_SPAN_BYTES_MAX, true,
         "details of one span; more is cut and the span says truncated"},
        {"page_bytes", SPANRING_PAGE_BYTES_DEFAULT, true, "a page of the ring, default"},
        {"page_bytes_min", SPANRING_PAGE_BYTES_MIN, true, "smallest page"},
        {"page_bytes_max", SPANRING_PAGE_BYTES_MAX, true, "largest page"},
        {"ring_bytes_initial", shm::kRingBytesInitial, true, "a process's ring at its start"},
        {"ring_bytes_max", shm::kRingBytesMax, true,
         "a process's ring, default; when it is full: drop and count, or block"},
        {"ring_bytes_limit", shm::kRingBytesLimit, true, "largest ring that can be configured"},
        {"directory_bytes_max", shm::kDirectoryBytesMaxDefault, true,
         "all rings of a directory while no consumer runs; then processes stay dark"},
        {"quarantined_files_max", shm::kQuarantinedFilesMax, false,
         "rings that broke the rules, kept for a look; then the oldest is removed"},
        {"quarantined_bytes_max", shm::kQuarantinedBytesMax, true, "memory of all of them"},
        {"threads_max", shm::kSlotsMax, false, "threads that trace at once in a process, default"},
        {"threads_limit", shm::kSlotsLimit, false, "most that can be configured"},
        {"strings_max", shm::kStringsMax, false,
         "different names and keys of a process; later ones are written in full"},
        {"string_data_bytes_max", shm::kStringDataBytesMax, true, "bytes of all of them"},
        {"intern_bytes_max", shm::kInternBytesMax, true,
         "a name or key; longer ones are written in full"},
        {"resource_bytes_max", shm::kResourceBytesMax, true, "resource attributes of a process"},
        {"batch_spans_max", codec::kBatchSpansMax, false, "spans of a batch as drained"},
        {"batch_spans_limit", codec::kBatchSpansLimit, false, "spans of any batch"},
        {"batch_bytes_max", codec::kBatchBytesMax, true, "a batch after decoding"},
        {"window_bytes_max", writer.window_bytes_max, true, "a window of the database, default"},
        {"window_seconds_max", static_cast<std::uint64_t>(writer.window_age_max.count()), false,
         "a window's age when the next begins, default"},
        {"database_bytes_max", writer.database_bytes_max, true,
         "the database, default; then the oldest window is removed"},
        {"retention_seconds", static_cast<std::uint64_t>(writer.retention.count()), false,
         "how long spans are kept, default"},
    };
}

Result<int> show_limits(const GlobalOptions& options) {
    const std::vector<Limit> limits = all_limits();
    std::string out;
    if (options.json) {
        Json json;
        json.open_object();
        for (const Limit& limit : limits) json.field(limit.name, limit.value);
        json.close_object();
        out = json.line();
    } else {
        Table table({{"LIMIT"}, {"VALUE", Table::Align::kRight}, {"OF WHAT, AND WHAT THEN"}});
        for (const Limit& limit : limits) {
            table.row({limit.name,
                       limit.bytes ? format_bytes(limit.value) : format_count(limit.value),
                       limit.then});
        }
        out = table.render(Terminal::of(1));
    }
    if (auto done = print(out); !done) return std::move(done).error();
    return kExitOk;
}

}  // namespace

void add_limits(CLI::App& app, Session& session) {
    CLI::App* command = new_command(app, session, "limits", "Print all limits",
                                    "spanring limits\nspanring limits --json");
    command->callback(
        [&session] { session.action = [&session] { return show_limits(session.options); }; });
}

}  // namespace spanring::tools
