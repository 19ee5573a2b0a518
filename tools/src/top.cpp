// `spanring top`: G, D, C, R and S as they are now, refreshed in place.
#include "top.hpp"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <thread>

#include "commands.hpp"
#include "select.hpp"

namespace spanring::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kIntervalDefault = 1.0;
constexpr unsigned kSamples = 20;  // of R in an interval: it swings with every turn
// At 1,000 turns a second three seconds' worth; older frames are skipped.
constexpr std::uint64_t kFramesMax = 3000;

constexpr const char* kEnterScreen = "\x1b[?1049h\x1b[?25l";
constexpr const char* kLeaveScreen = "\x1b[?25h\x1b[?1049l";

struct TopOptions {
    bool once{false};
    double interval_seconds{kIntervalDefault};
};

/// The other screen of the terminal, left again whatever happens.
class Screen {
public:
    explicit Screen(bool active) : active_(active) {
        if (active_) (void)print(kEnterScreen);
    }
    ~Screen() {
        if (active_) (void)print(kLeaveScreen);
    }
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;
    // Each line is overwritten and its rest erased: no flicker.
    Result<void> show(const std::string& text) const {
        if (!active_) return print(text);
        std::string out = "\x1b[H";
        for (const char c : text) {
            if (c == '\n') out += "\x1b[K";
            out += c;
        }
        return print(out + "\x1b[J");
    }

private:
    bool active_;
};

class Watcher {
public:
    Watcher(std::string directory, std::string database, std::uint64_t bytes_max,
            std::chrono::nanoseconds interval)
        : directory_(std::move(directory)),
          database_(std::move(database)),
          bytes_max_(bytes_max),
          interval_(interval),
          meter_(interval.count()) {}

    // Waits one interval, counting R meanwhile, then takes in what was committed.
    Result<TopView> look() {
        if (auto opened = open(); !opened) return std::move(opened).error();
        const std::int64_t begin_ns = realtime_now_ns();
        meter_.restart(begin_ns);
        TopView view;
        if (auto sampled = sample(&view); !sampled) return std::move(sampled).error();
        if (reader_ != nullptr) {
            if (auto fresh = reader_->refresh(); !fresh) return std::move(fresh).error();
            auto position = feed(meter_, *reader_, position_, kFramesMax);
            if (!position) return std::move(position).error();
            position_ = *position;
            auto stats = reader_->stats();
            if (!stats) return std::move(stats).error();
            view.lost = lost_total(view.rings, stats->losses);
            view.database_bytes = stats->bytes;
        } else {
            view.lost = lost_total(view.rings, {});
        }
        view.measured = meter_.measure(realtime_now_ns());
        view.database_bytes_max = bytes_max_;
        struct statvfs disk {};
        if (statvfs(database_.c_str(), &disk) == 0) {
            view.disk_free_bytes = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
        }
        return view;
    }

private:
    // A database that is not there yet may appear later.
    Result<void> open() {
        if (reader_ != nullptr) return {};
        auto reader = store::Reader::open(database_);
        if (!reader) {
            return reader.error().code == ErrorCode::kNotFound
                       ? Result<void>()
                       : Result<void>(std::move(reader).error());
        }
        reader_ = std::move(*reader);
        position_ = reader_->newest_frame();
        return {};
    }

    Result<void> sample(TopView* view) {
        const auto begin = Clock::now();
        std::uint64_t pending = 0;
        for (unsigned i = 1; i <= kSamples && !interrupted(); ++i) {
            auto rings = look_at_rings(directory_, Pending::kCount);
            if (!rings) return std::move(rings).error();
            for (const ProducerView& producer : rings->producers) {
                pending += producer.pending_tracepoints;
            }
            view->rings = std::move(*rings);
            view->in_flight_samples += 1;
            std::this_thread::sleep_until(begin + interval_ * i / kSamples);
        }
        if (view->in_flight_samples != 0) {
            view->in_flight =
                static_cast<double>(pending) / static_cast<double>(view->in_flight_samples);
        }
        return {};
    }

    std::string directory_;
    std::string database_;
    std::uint64_t bytes_max_;
    std::chrono::nanoseconds interval_;
    Meter meter_;
    std::unique_ptr<store::Reader> reader_;
    std::uint64_t position_{0};
};

Result<int> watch(const GlobalOptions& options, const TopOptions& wanted) {
    auto directory = ring_directory(options);
    if (!directory) return std::move(directory).error();
    auto database = database_path(options);
    if (!database) return std::move(database).error();
    auto limit = database_bytes_max(options);
    if (!limit) return std::move(limit).error();
    catch_interrupts();
    const auto interval =
        std::chrono::nanoseconds(static_cast<std::int64_t>(wanted.interval_seconds * 1e9));
    Watcher watcher(*directory, *database, *limit, interval);
    const Terminal terminal = Terminal::of(1);
    const bool in_place = terminal.interactive && !wanted.once && !options.json;
    const Screen screen(in_place);
    if (in_place) {
        if (auto shown = screen.show("measuring…\n"); !shown) return std::move(shown).error();
    }
    do {
        auto view = watcher.look();
        if (!view) return std::move(view).error();
        if (interrupted()) break;
        const std::string out = options.json ? top_json(*view) : top_text(*view, terminal);
        if (auto shown = screen.show(out); !shown) return std::move(shown).error();
    } while (!wanted.once && !interrupted());
    return kExitOk;
}

}  // namespace

void add_top(CLI::App& app, Session& session) {
    CLI::App* command =
        new_command(app, session, "top", "Watch rates, delay, ring fill, losses and disk",
                    "spanring top\n"
                    "spanring top --once --json | jq .delay_ns_p99\n"
                    "spanring top --interval 5");
    auto wanted = std::make_shared<TopOptions>();
    command->add_flag("--once", wanted->once, "One look, then end");
    command->add_option("--interval", wanted->interval_seconds, "Between two looks")
        ->check(CLI::Range(0.1, 3600.0))
        ->type_name("SECONDS")
        ->capture_default_str();
    command->callback([&session, wanted] {
        session.action = [&session, wanted] { return watch(session.options, *wanted); };
    });
}

}  // namespace spanring::tools
