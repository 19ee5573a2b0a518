// What questions to a large database cost, in this process: look-ups of traces, warm and after the
// kernel has forgotten the files, searches and statistics. Run it on a database of
// `spanring generate`:
//
//   spanring generate --spans 50M --db DB && bench_queries DB
//
// One line for each question: median, 99th percentile, most, over so many runs.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "spanring/store/database.hpp"

namespace {

using namespace spanring;  // NOLINT: a program
using store::Condition;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kIds = 2000;
constexpr std::size_t kColdIds = 100;

struct Line {
    std::string name;
    std::vector<double> ms;

    void print() {
        std::ranges::sort(ms);
        const auto at = [&](double p) {
            return ms[std::min(ms.size() - 1, static_cast<std::size_t>(p * double(ms.size())))];
        };
        std::printf("%-44s p50 %9.3f ms  p99 %9.3f ms  max %9.3f ms  (%zu)\n", name.c_str(),
                    at(0.5), at(0.99), ms.back(), ms.size());
        std::fflush(stdout);
    }
};

template <typename F>
void time(Line& line, F&& f) {
    const auto begun = Clock::now();
    f();
    line.ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begun).count());
}

/// Takes the database's files out of the page cache. Returns the bytes that stay in it (mincore).
std::size_t forget(const std::string& path) {
    std::size_t left = 0;
    for (const auto& file : std::filesystem::directory_iterator(path)) {
        const int fd = ::open(file.path().c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        (void)::fdatasync(fd);
        (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        const auto bytes = static_cast<std::size_t>(file.file_size());
        void* map = bytes == 0 ? MAP_FAILED : ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) {
            const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
            std::vector<unsigned char> in((bytes + page - 1) / page);
            if (::mincore(map, bytes, in.data()) == 0)
                left += page * static_cast<std::size_t>(
                                   std::ranges::count_if(in, [](auto c) { return (c & 1) != 0; }));
            (void)::munmap(map, bytes);
        }
        (void)::close(fd);
    }
    return left;
}

template <typename T>
T must(Result<T> result) {
    if (result) return std::move(*result);
    std::fprintf(stderr, "bench_queries: %s\n", result.error().message.c_str());
    std::exit(2);
}

struct Sample {
    std::vector<TraceId> ids;
    std::int64_t first_ns{std::numeric_limits<std::int64_t>::max()};
    std::int64_t last_ns{0};
    std::uint64_t spans{0};
};

/// A trace of each batch, in random order.
Sample sample(store::Reader& reader) {
    Sample out;
    std::mt19937_64 random(7);
    const auto visited = reader.visit_batches(
        {}, [&](codec::BatchView& batch, const store::RowMask&) -> Result<bool> {
            auto loaded = batch.load(codec::Part::kTraces | codec::Part::kStarts);
            if (!loaded) return std::move(loaded).error();
            out.ids.push_back(batch.trace_id(batch.traces()[random() % batch.traces().size()]));
            for (const std::int64_t start : batch.starts()) {
                out.first_ns = std::min(out.first_ns, start);
                out.last_ns = std::max(out.last_ns, start);
            }
            out.spans += batch.row_count();
            return true;
        });
    if (!visited) std::exit(2);
    std::ranges::shuffle(out.ids, random);
    return out;
}

void look_up(store::Reader& reader, const Sample& sample) {
    Line warm{"trace by id, warm", {}};
    for (int round = 0; round < 2; ++round) {
        warm.ms.clear();
        for (std::size_t i = 0; i < std::min(kIds, sample.ids.size()); ++i)
            time(warm, [&] { (void)must(reader.trace(sample.ids[i])); });
    }
    warm.print();
    Line none{"trace by id that is not there", {}};
    std::mt19937_64 random(9);
    for (std::size_t i = 0; i < 500; ++i) {
        TraceId id;
        for (auto& byte : id.bytes) byte = static_cast<std::uint8_t>(random());
        time(none, [&] { (void)reader.trace(id); });
    }
    none.print();
}

void look_up_cold(const std::string& path, store::Reader& reader, const Sample& sample) {
    Line cold{"trace by id, files not in memory", {}};
    std::size_t left = 0;
    for (std::size_t i = 0; i < std::min(kColdIds, sample.ids.size()); ++i) {
        left = std::max(left, forget(path));
        time(cold, [&] { (void)must(reader.trace(sample.ids[i])); });
    }
    cold.print();
    std::printf("  at most %zu bytes of the files were in memory (mincore)\n", left);
}

void search(store::Reader& reader, const Sample& sample) {
    constexpr std::int64_t kMinute = 60'000'000'000;
    const auto ask = [&](const char* name, int runs, const store::SpanFilter& filter,
                         std::size_t limit) {
        Line line{name, {}};
        std::size_t found = 0;
        for (int i = 0; i < runs; ++i)
            time(line, [&] { found = must(reader.traces(filter, limit)).size(); });
        line.print();
        std::printf("  %zu traces\n", found);
    };
    store::SpanFilter recent;
    recent.service = "checkout";
    recent.operation = "GET /order/{id}";
    recent.duration_ns_min = 50'000'000;
    recent.since_ns = sample.last_ns - 15 * kMinute;
    ask("service, operation, duration, 15 min, 20 newest", 50, recent, 20);
    store::SpanFilter user;
    user.attributes.emplace_back("user.id", "u-99990");
    user.since_ns = sample.last_ns - 5 * kMinute;
    ask("attribute = value, 5 minutes", 20, user, 20);
    user.since_ns.reset();
    ask("attribute = value, whole store", 3, user, 100'000);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: bench_queries DATABASE\n");
        return 2;
    }
    const std::string path = argv[1];
    Line opening{"open", {}};
    std::unique_ptr<store::Reader> reader;
    time(opening, [&] { reader = must(store::Reader::open(path)); });
    opening.print();
    const Sample sampled = sample(*reader);
    std::printf("%llu spans, %.1f minutes\n", static_cast<unsigned long long>(sampled.spans),
                static_cast<double>(sampled.last_ns - sampled.first_ns) / 60e9);
    look_up(*reader, sampled);
    look_up_cold(path, *reader, sampled);
    search(*reader, sampled);
    return 0;
}
