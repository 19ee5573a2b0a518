#include "world.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace spanring::simulation {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Turns that a calm world may take to drain and end everything: the dead are looked for each
/// second, a full disk is tried again each 200 ms.
constexpr int kLastTurnsMax = 400;

/// The same each time that this process runs the seed, and as long in any other: paths stand in
/// what the consumer writes.
std::string folder_of(std::uint64_t seed) {
    constexpr long kPidsMax = 1L << 22;
    std::string path = "/dev/shm/spanring-simulation-" +
                       std::to_string(10 * kPidsMax + ::getpid()) + "-" + std::to_string(seed);
    fs::remove_all(path);
    fs::create_directory(path);
    return path;
}

std::uint64_t pick(Chance& chance, std::initializer_list<std::uint64_t> of) {
    return *(of.begin() + chance.below(of.size()));
}

}  // namespace

World::World(std::uint64_t seed, bool verbose) : seed_(seed), machine_(seed), chance_(seed) {
    machine_.set_verbose(verbose);
    root_ = folder_of(seed);
    choose_character();
    config_ = make_config();
    auto directory = shm::RingDirectory::open(config_.directory, shm::RingDirectory::Create::kYes);
    if (!directory) {
        problem(directory.error().message);
        return;
    }
    directory_ = std::make_unique<shm::RingDirectory>(std::move(*directory));
    auto control = directory_->map_control(Mapping::Access::kReadWrite);
    auto bell = directory_->map_doorbell();
    auto log = consumer::Log::open(config_, verbose);
    if (!control || !bell || !log) {
        problem("no control page, doorbell or log");
        return;
    }
    control_page_ = std::move(*control);
    bell_ = std::move(*bell);
    log_ = std::move(*log);
    make_processes();
    machine_.on_crash = [this] { save_shared_memory(); };
    machine_.on_unlink = [this](const char* name) { keep_retired(name); };
}

World::~World() {
    machine_.set_armed(false);
    machine_.set_neighbour(nullptr);
    consumer_.reset();
    processes_.clear();
    std::error_code ignored;
    fs::remove_all(root_, ignored);
}

void World::choose_character() {
    Character& c = character_;
    c.turns = 30 + chance_.below(100);
    if (!chance_.one_in(4)) c.crash_one_in = 5 + chance_.below(40);
    c.stops = chance_.one_in(3);
    c.clocks_jump = chance_.one_in(4);
    c.mistakes = chance_.one_in(4);
    if (chance_.one_in(3)) c.weather.delay = 5 + chance_.below(200);
    if (chance_.one_in(3)) c.weather.short_write = 5 + chance_.below(200);
    if (chance_.one_in(3)) c.weather.io_error = 20 + chance_.below(1000);
}

consumer::Config World::make_config() {
    consumer::Config config;
    config.directory = root_ + "/rings";
    config.database = root_ + "/db";
    config.store.background = Background::kCaller;
    config.store.window_bytes_max = pick(chance_, {8u << 10, 32u << 10, 128u << 10, 64u << 20});
    config.store.window_age_max = seconds(1 + chance_.below(300));
    config.store.database_bytes_max = pick(chance_, {64u << 10, 1u << 20, 1u << 30, 1u << 30});
    config.store.retention = seconds(pick(chance_, {5, 604'800, 604'800}));
    config.store.durability =
        chance_.one_in(2) ? store::Durability::kCommit : store::Durability::kInterval;
    config.store.compaction.enabled = !chance_.one_in(4);
    return config;
}

void World::make_processes() {
    const std::uint64_t count = 1 + chance_.below(4);
    for (std::uint64_t i = 0; i < count; ++i) {
        ProcessOptions options;
        options.page_bytes = static_cast<std::uint32_t>(pick(chance_, {1024, 1024, 2048, 4096}));
        options.ring_bytes_initial = pick(chance_, {2, 4, 8}) * options.page_bytes;
        options.ring_bytes_max = options.ring_bytes_initial * pick(chance_, {1, 2, 4});
        options.threads = static_cast<std::uint32_t>(1 + chance_.below(4));
        options.counter = chance_.one_in(2);
        options.other_boot = chance_.one_in(12);
        options.pause_ns_max =
            static_cast<std::int64_t>(pick(chance_, {200'000, 5'000'000, 400'000'000}));
        processes_.push_back(
            std::make_unique<MadeUpProcess>(machine_, *directory_, chance_.next(), options));
        ledger_.add(*processes_.back());
    }
}

void World::problem(const std::string& what) {
    machine_.say("PROBLEM " + what);
    outcome_.problems.push_back(what);
}

void World::add_problems(const std::vector<std::string>& more) {
    for (const auto& what : more) problem(what);
}

// ---- the neighbours ----

std::int64_t World::acts_at_ns() const noexcept {
    std::int64_t first = INT64_MAX;
    for (const auto& process : processes_) first = std::min(first, process->acts_at_ns());
    return first;
}

void World::act() noexcept {
    const auto first = std::min_element(
        processes_.begin(), processes_.end(),
        [](const auto& a, const auto& b) { return a->acts_at_ns() < b->acts_at_ns(); });
    (*first)->act();
}

// ---- the run ----

Outcome World::run() {
    if (outcome_.problems.empty()) live();
    if (outcome_.problems.empty()) come_to_an_end();
    for (const auto& process : processes_) {
        for (const auto& life : process->lives()) {
            outcome_.spans += life->spans.size();
            outcome_.lost += life->lost_spans;
        }
    }
    outcome_.faults = machine_.faults();
    outcome_.digest = machine_.digest();
    outcome_.virtual_ns = machine_.now_ns() - 1'000'000'000'000;
    return outcome_;
}

void World::live() {
    machine_.set_neighbour(this);
    machine_.set_weather(character_.weather);
    while (outcome_.turns < character_.turns && outcome_.problems.empty()) {
        machine_.set_armed(true);
        if (!consumer_) {
            start();
        } else {
            consumer_->step();
        }
        ++outcome_.turns;
        if (consumer_ && !machine_.crashed()) do_chores();
        machine_.set_armed(false);
        if (machine_.crashed()) after_crash();
        something_happens();
    }
}

void World::start() {
    auto started = consumer::Consumer::start(config_, *log_);
    if (started) {
        consumer_ = std::move(*started);
        return;
    }
    machine_.say("the consumer does not start: " + started.error().message);
    if (machine_.faults() == 0 && !machine_.crashed()) {
        problem("the consumer does not start: " + started.error().message);
    }
    machine_.pass(chance_.magnitude(1'000'000, 1'000'000'000));
}

void World::do_chores() {
    for (const store::Chore chore :
         {store::Chore::kSync, store::Chore::kIndex, store::Chore::kCompact}) {
        if (!chance_.one_in(6) || machine_.crashed()) continue;
        consumer_->do_chore(chore);
    }
}

void World::something_happens() {
    const Character& c = character_;
    if (c.crash_one_in != 0 && chance_.one_in(c.crash_one_in)) {
        machine_.crash_in(static_cast<std::uint64_t>(chance_.magnitude(1, 400)));
    }
    if (c.stops && consumer_ && chance_.one_in(30)) stop();
    if (c.clocks_jump && chance_.one_in(20)) {
        const std::int64_t ns = chance_.between(-3'600'000'000'000, 3'600'000'000'000);
        machine_.say("the wall clock is stepped");
        machine_.step_wall_clock(ns);
        excuses_.wall_clock_stepped = true;
    }
    if (c.clocks_jump && chance_.one_in(40)) {
        machine_.say("the counter jumps");
        machine_.jump_counter(chance_.between(-50'000'000, 5'000'000'000));
        excuses_.counter_jumped = true;
    }
    if (c.mistakes && chance_.one_in(30)) processes_[chance_.below(processes_.size())]->seem_dead();
    if (c.weather.io_error != 0 && chance_.one_in(40)) {
        machine_.say("the disk is full for a while");
        machine_.fill_disk_for(chance_.magnitude(1'000'000, 3'000'000'000));
    }
    if (chance_.one_in(200)) {
        machine_.say("everybody sleeps");
        machine_.pass(chance_.magnitude(1'000'000'000, 3'600'000'000'000));
    }
    if (chance_.one_in(12)) look();
}

void World::stop() {
    machine_.say("the consumer is stopped");
    machine_.set_armed(true);
    auto stopped = consumer_->finish();
    machine_.set_armed(false);
    if (machine_.crashed()) return after_crash();
    if (!stopped) {
        machine_.say("not in good order: " + stopped.error().message);
        if (machine_.faults() == 0) problem("a stop fails: " + stopped.error().message);
    }
    consumer_.reset();
}

// What the consumer did between the crash and its end was done by nobody.
void World::after_crash() {
    ++outcome_.crashes;
    consumer_.reset();
    restore_shared_memory();
    machine_.forget_crash();
    if (chance_.one_in(2)) look();
}

void World::look() {
    machine_.say("somebody reads");
    add_problems(ledger_.judge(config_.database, retired_, excuses_, false));
    auto report = store::check(config_.database);
    if (report && machine_.faults() == 0 && !report->problems.empty()) {
        problem("fsck: " + report->problems.front());
    }
}

bool World::drained() {
    auto files = directory_->segments();
    return files && files->empty();
}

// Everybody goes, nothing goes wrong any more, and the consumer stores what is left.
void World::come_to_an_end() {
    machine_.say("the end begins");
    machine_.calm_down();
    for (auto& process : processes_) {
        if (process->alive() && chance_.one_in(2)) process->die();
        process->exit();
        process->stay_away();
    }
    for (int i = 0; i < kLastTurnsMax && (!consumer_ || !drained()); ++i) {
        machine_.set_armed(true);
        // What could not be removed when the disk failed is left to the next consumer.
        if (consumer_ && i % 100 == 99) stop();
        machine_.set_armed(true);
        consumer_ ? consumer_->step() : start();
        ++outcome_.turns;
        machine_.set_armed(false);
        if (!outcome_.problems.empty()) return;
    }
    if (!consumer_) return problem("no consumer at the end");
    if (!drained()) problem("rings are left at the end");
    stop();
    add_problems(ledger_.judge(config_.database, retired_, excuses_, true));
}

// ---- crashes ----

// All that a consumer writes into shared memory, and the producers' words beside it.
void World::save_shared_memory() {
    saved_.clear();
    const auto save = [this](void* from, std::size_t bytes) {
        auto* begin = static_cast<std::byte*>(from);
        saved_.push_back({begin, std::vector<std::byte>(begin, begin + bytes)});
    };
    save(const_cast<std::uint32_t*>(control_page_.flags_word()), 4);
    save(bell_.data(), bell_.bytes());
    for (const auto& process : processes_) {
        for (const auto& life : process->lives()) {
            if (!life->segment.is_open()) continue;
            std::byte* data = life->segment.mapping().data;
            const auto& h = *reinterpret_cast<const spanring_segment_header*>(data);
            save(data, sizeof h);
            save(data + h.slot_offset,
                 std::size_t{h.slots_declared} * sizeof(spanring_thread_slot));
            save(data + h.state_offset, std::size_t{h.pages_max} * 8);
            save(data + h.stored_offset, std::size_t{h.pages_max} * 8);
        }
    }
}

void World::restore_shared_memory() {
    for (const Saved& part : saved_) std::copy(part.bytes.begin(), part.bytes.end(), part.to);
    saved_.clear();
}

// A window that goes, by age, size or for want of room, goes with its spans: a second name keeps
// them for the oracle.
void World::keep_retired(const char* name) {
    const std::string_view file(name);
    if (!file.starts_with("w-") || !file.ends_with(".log")) return;
    const std::string folder = root_ + "/retired-" + std::to_string(retired_.size());
    std::error_code error;
    fs::create_directory(folder, error);
    fs::copy_file(config_.database + "/uuid", folder + "/uuid", error);
    const std::string from = config_.database + "/" + name;
    if (::link(from.c_str(), (folder + "/" + name).c_str()) != 0) return;
    retired_.push_back(folder);
    excuses_.windows_retired = true;
}

Outcome simulate(std::uint64_t seed, bool verbose) {
    World world(seed, verbose);
    return world.run();
}

}  // namespace spanring::simulation
