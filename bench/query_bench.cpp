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
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "spanring/query/statistics.hpp"
#include "spanring/sql/session.hpp"
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

void count_up(const std::string& path, store::Reader& reader, const Sample& sample) {
    const auto per_second = [&](const Line& line) {
        const double ms = *std::ranges::min_element(line.ms);
        std::printf("  %.1f million spans a second\n", double(sample.spans) / ms / 1e3);
    };
    Line native{"group by service: count, errors, p99", {}};
    const store::Field service{store::Property::kService, store::Scope::kAny, {}};
    for (int i = 0; i < 3; ++i)
        time(native, [&] { (void)must(query::group_spans(reader, {}, {service})); });
    native.print();
    per_second(native);
    Line in_sql{"the same in SQL", {}};
    sql::Limits limits;
    limits.time_max = std::chrono::minutes(10);
    const auto session = must(sql::Session::open(path, limits));
    for (int i = 0; i < 2; ++i)
        time(in_sql, [&] {
            (void)must(
                session->run("SELECT service, count(*), sum(status_id = 2),"
                             " percentile(duration_ns, 99) FROM spans GROUP BY service",
                             [](const auto&, const auto&) { return true; }));
        });
    in_sql.print();
    per_second(in_sql);
    Line digest{"metrics, edges and values of all", {}};
    constexpr auto kEver = std::numeric_limits<std::int64_t>::max();
    for (int i = 0; i < 5; ++i)
        time(digest,
             [&] { (void)must(reader.digest(std::numeric_limits<std::int64_t>::min(), kEver)); });
    digest.print();
}

std::size_t resident_kib() {
    std::size_t pages = 0;
    if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
        if (std::fscanf(file, "%*u %zu", &pages) != 1) pages = 0;
        std::fclose(file);
    }
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

/// A trace of a million spans, in a database of its own below `path`.
void large_trace(const std::string& path) {
    const std::string db = path + "-large-trace";
    std::filesystem::remove_all(db);
    TraceId id;
    id.bytes[0] = 7;
    {
        const auto writer = must(store::Writer::open(db, {}));
        codec::Span span;
        span.trace_id = id;
        span.resource = std::make_shared<const codec::Attributes>(
            codec::Attributes{{"service.name", std::string("batch")}});
        constexpr std::uint64_t kSpans = 1'000'000;
        for (std::uint64_t i = 0; i < kSpans;) {
            codec::Batch batch;
            for (std::size_t n = 0; n < codec::kBatchSpansMax && i < kSpans; ++n, ++i) {
                span.parent_id = span.span_id;
                std::memcpy(span.span_id.bytes.data(), &i, sizeof i);
                span.span_id.bytes[7] = 1;
                span.name = "step " + std::to_string(i % 100);
                span.start_ns = static_cast<std::int64_t>(1'000'000'000 + i * 1000);
                span.duration_ns = 900;
                span.attributes = {{"item", static_cast<std::int64_t>(i)}};
                batch.add(span);
            }
            store::Frame frame;
            frame.snapshot = writer->wants_snapshot();
            frame.batches.push_back(must(codec::encode(batch)));
            const store::BatchFacts facts{store::facts_of(batch)};
            (void)must(writer->commit(frame, store::summary_of(facts), facts));
        }
        if (!writer->index_now()) std::exit(2);
    }
    const auto reader = must(store::Reader::open(db));
    const std::size_t before = resident_kib();
    Line first{"trace of 1,000,000 spans: the first", {}};
    Line all{"trace of 1,000,000 spans: the last", {}};
    const auto begun = Clock::now();
    const auto now = [&] {
        return std::chrono::duration<double, std::milli>(Clock::now() - begun).count();
    };
    std::size_t most = before;
    std::uint64_t count = 0;
    const auto visited =
        reader->visit(Condition::compare(store::Property::kTraceId, store::Operator::kEqual, id),
                      [&](const codec::Span&) {
                          if (count++ == 0) first.ms.push_back(now());
                          if (count % 100'000 == 0) most = std::max(most, resident_kib());
                          return true;
                      });
    if (!visited || count != 1'000'000) std::exit(2);
    all.ms.push_back(now());
    first.print();
    all.print();
    std::printf("  %zu KiB more memory than before\n", most - before);
    std::filesystem::remove_all(db);
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
    count_up(path, *reader, sampled);
    large_trace(path);
    return 0;
}
