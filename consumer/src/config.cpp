#include "spanring/consumer/config.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string_view>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "spanring/base/toml_letters.hpp"
#include "spanring/consumer/limits.hpp"

namespace spanring::consumer {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};
constexpr std::array<Unit, 5> kByteUnits{
    {{"", 1}, {"B", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}}};
constexpr std::array<Unit, 7> kTimeUnits{{{"ns", 1},
                                          {"us", 1'000},
                                          {"ms", 1'000'000},
                                          {"s", 1'000'000'000},
                                          {"m", 60'000'000'000},
                                          {"h", 3'600'000'000'000},
                                          {"d", 86'400'000'000'000}}};

template <std::size_t kCount>
std::optional<std::uint64_t> parse_with(const std::string& text,
                                        const std::array<Unit, kCount>& units) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    if (read.ec != std::errc{}) return std::nullopt;
    const std::string_view unit(read.ptr, static_cast<std::size_t>(end - read.ptr));
    for (const Unit& known : units) {
        if (known.name != unit) continue;
        if (known.factor != 0 && number > UINT64_MAX / 2 / known.factor) return std::nullopt;
        return number * known.factor;
    }
    return std::nullopt;
}

/// What is wrong with a value; empty: nothing.
using Complaint = std::string;
using Setter = std::function<Complaint(Config&, const toml::node&)>;

Setter text(std::string Config::*field) {
    return [field](Config& config, const toml::node& node) -> Complaint {
        const auto value = node.value_exact<std::string>();
        if (!value || value->empty()) return "must be a string that is not empty";
        config.*field = *value;
        return {};
    };
}

Setter choice(std::vector<std::string> allowed,
              std::function<void(Config&, const std::string&)> set) {
    return [allowed = std::move(allowed), set = std::move(set)](
               Config& config, const toml::node& node) -> Complaint {
        const auto value = node.value_exact<std::string>();
        std::string names;
        for (const auto& name : allowed) {
            if (value && *value == name) {
                set(config, name);
                return {};
            }
            names += (names.empty() ? "\"" : ", \"") + name + "\"";
        }
        return "must be one of " + names;
    };
}

Setter flag(std::function<void(Config&, bool)> set) {
    return [set = std::move(set)](Config& config, const toml::node& node) -> Complaint {
        const auto value = node.value_exact<bool>();
        if (!value) return "must be true or false";
        set(config, *value);
        return {};
    };
}

Setter number(std::int64_t least, std::int64_t most,
              std::function<void(Config&, std::int64_t)> set) {
    return [=, set = std::move(set)](Config& config, const toml::node& node) -> Complaint {
        const auto value = node.value_exact<std::int64_t>();
        if (!value || *value < least || *value > most) {
            return "must be a number from " + std::to_string(least) + " to " + std::to_string(most);
        }
        set(config, *value);
        return {};
    };
}

Setter bytes(std::uint64_t least, std::uint64_t most,
             std::function<void(Config&, std::uint64_t)> set) {
    return [=, set = std::move(set)](Config& config, const toml::node& node) -> Complaint {
        std::optional<std::uint64_t> value;
        if (const auto plain = node.value_exact<std::int64_t>(); plain && *plain >= 0) {
            value = static_cast<std::uint64_t>(*plain);
        } else if (const auto words = node.value_exact<std::string>()) {
            value = parse_bytes(*words);
        }
        if (!value || *value < least || *value > most) {
            return "must be a number of bytes such as \"64MiB\", from " + std::to_string(least) +
                   " to " + std::to_string(most);
        }
        set(config, *value);
        return {};
    };
}

Setter duration(std::string least, std::string most,
                std::function<void(Config&, std::chrono::nanoseconds)> set) {
    return [=, set = std::move(set)](Config& config, const toml::node& node) -> Complaint {
        const auto words = node.value_exact<std::string>();
        const auto value = words ? parse_duration(*words) : std::nullopt;
        if (!value || *value < *parse_duration(least) || *value > *parse_duration(most)) {
            return "must be a time such as \"" + least + "\", from " + least + " to " + most;
        }
        set(config, *value);
        return {};
    };
}

Complaint set_policies(Config& config, const toml::node& node) {
    const toml::array* names = node.as_array();
    if (names == nullptr) return "must be a list such as [\"drop\", \"block\"]";
    std::uint32_t mask = 1u << SPANRING_POLICY_DROP;
    for (const toml::node& name : *names) {
        const auto word = name.value_exact<std::string>();
        if (word == "block") {
            mask |= 1u << SPANRING_POLICY_BLOCK;
        } else if (word != "drop") {
            return "may hold \"drop\" and \"block\"";
        }
    }
    config.rings.policy_allowed_mask = mask;
    return {};
}

Complaint set_page_bytes(Config& config, const toml::node& node) {
    const auto value = node.value_exact<std::int64_t>();
    const bool power = value && *value > 0 && (*value & (*value - 1)) == 0;
    if (!power || *value < 1024 || *value > 65536) {
        return "must be a power of two from 1024 to 65536";
    }
    config.rings.page_bytes = static_cast<std::uint32_t>(*value);
    return {};
}

template <typename To, typename From>
To cast(From from) {
    return std::chrono::duration_cast<To>(from);
}

using Keys = std::map<std::string, Setter, std::less<>>;

Keys ring_keys() {
    return {
        {"rings.ring_bytes_max",
         bytes(1u << 16, 1u << 30, [](Config& c, auto v) { c.rings.ring_bytes_max = v; })},
        {"rings.directory_bytes_max",
         bytes(1u << 20, 1ull << 40, [](Config& c, auto v) { c.rings.directory_bytes_max = v; })},
        {"rings.page_bytes", set_page_bytes},
        {"rings.policies", set_policies},
        {"rings.block_max", duration("1ms", "1h", [](Config& c, auto v) {
             c.rings.block_ns_max = static_cast<std::uint64_t>(v.count());
         })}};
}

Keys store_keys() {
    using std::chrono::milliseconds;
    using std::chrono::seconds;
    return {
        {"store.bytes_max",
         bytes(1u << 20, 1ull << 50, [](Config& c, auto v) { c.store.database_bytes_max = v; })},
        {"store.retention",
         duration("1m", "3650d", [](Config& c, auto v) { c.store.retention = cast<seconds>(v); })},
        {"store.window_bytes",
         bytes(1u << 16, 1ull << 32, [](Config& c, auto v) { c.store.window_bytes_max = v; })},
        {"store.window_age",
         duration("1s", "30d",
                  [](Config& c, auto v) { c.store.window_age_max = cast<seconds>(v); })},
        {"store.sync_interval",
         duration("1ms", "1m",
                  [](Config& c, auto v) { c.store.sync_interval = cast<milliseconds>(v); })},
        {"compaction.enabled", flag([](Config& c, bool on) { c.store.compaction.enabled = on; })},
        {"compaction.cpu_percent", number(1, 100,
                                          [](Config& c, auto v) {
                                              c.store.compaction.cpu_percent =
                                                  static_cast<unsigned>(v);
                                          })},
        {"compaction.zstd_level",
         number(0, store::kZstdLevelMax,
                [](Config& c, auto v) { c.store.compaction.zstd_level = static_cast<int>(v); })},
        {"store.durability", choice({"interval", "commit"}, [](Config& c, const auto& name) {
             c.store.durability =
                 name == "commit" ? store::Durability::kCommit : store::Durability::kInterval;
         })}};
}

Keys limit_keys() {
    return {{"limits.user_segments_max", number(1, static_cast<std::int64_t>(kSegmentsMax),
                                                [](Config& c, auto v) {
                                                    c.quota.user_segments_max =
                                                        static_cast<std::uint64_t>(v);
                                                })},
            {"limits.user_bytes_max",
             bytes(0, 1ull << 50, [](Config& c, auto v) { c.quota.user_bytes_max = v; })},
            {"limits.process_segments_max",
             number(1, static_cast<std::int64_t>(kSegmentsMax), [](Config& c, auto v) {
                 c.quota.process_segments_max = static_cast<std::uint64_t>(v);
             })}};
}

const Keys& keys() {
    static const Keys all = [] {
        Keys k{{"directory", text(&Config::directory)},
               {"database", text(&Config::database)},
               {"drain.max_delay", duration("100us", "1s",
                                            [](Config& c, auto v) {
                                                c.max_delay = cast<std::chrono::microseconds>(v);
                                            })},
               {"drain.workers",
                number(0, 64, [](Config& c, auto v) { c.workers = static_cast<unsigned>(v); })},
               {"log.file", text(&Config::log_file)},
               {"log.level", choice({"debug", "info", "warn", "error"},
                                    [](Config& c, const auto& name) { c.log_level = name; })},
               {"log.bytes_max",
                bytes(1u << 16, 1u << 30, [](Config& c, auto v) { c.log_bytes_max = v; })},
               {"security.user", text(&Config::user)},
               {"security.group", text(&Config::group)},
               {"security.seccomp", flag([](Config& c, bool on) { c.seccomp = on; })},
               {"log.files",
                number(1, 100, [](Config& c, auto v) { c.log_files = static_cast<unsigned>(v); })}};
        k.merge(ring_keys());
        k.merge(store_keys());
        k.merge(limit_keys());
        return k;
    }();
    return all;
}

bool is_section(const std::string& name) {
    const auto at = keys().lower_bound(name + ".");
    return at != keys().end() && at->first.compare(0, name.size() + 1, name + ".") == 0;
}

/// What an error may show of a file, where toml++ quotes it, too: one line, and nothing that a
/// terminal would obey.
std::string shown(std::string text) {
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
    }
    return text;
}

Error at_line(const std::string& file, const toml::source_region& where, const std::string& what) {
    return {ErrorCode::kInvalidArgument,
            file + ":" + std::to_string(where.begin.line) + ": " + shown(what)};
}

Result<void> take_table(const toml::table& table, const std::string& prefix,
                        const std::string& file, Config& config) {
    for (const auto& [key, node] : table) {
        const std::string name = prefix + std::string(key.str());
        if (const toml::table* inner = node.as_table(); inner != nullptr && is_section(name)) {
            if (auto taken = take_table(*inner, name + ".", file, config); !taken) return taken;
            continue;
        }
        const auto known = keys().find(name);
        if (known == keys().end()) {
            return at_line(file, key.source(), "unknown key \"" + name + "\"");
        }
        const Complaint complaint = known->second(config, node);
        if (!complaint.empty()) return at_line(file, node.source(), name + " " + complaint);
    }
    return {};
}

}  // namespace

std::optional<std::uint64_t> parse_bytes(const std::string& text) {
    return parse_with(text, kByteUnits);
}

std::optional<std::chrono::nanoseconds> parse_duration(const std::string& text) {
    const auto ns = parse_with(text, kTimeUnits);
    if (!ns) return std::nullopt;
    return std::chrono::nanoseconds(static_cast<std::int64_t>(*ns));
}

Result<Config> parse_config(const std::string& text, const std::string& name) {
    if (auto checked = check_toml_letters(text, name); !checked) {
        return std::move(checked).error();
    }
    const toml::parse_result parsed = toml::parse(text, name);
    if (!parsed) {
        return at_line(name, parsed.error().source(), std::string(parsed.error().description()));
    }
    Config config;
    if (auto taken = take_table(parsed.table(), "", name, config); !taken) {
        return std::move(taken).error();
    }
    return config;
}

Result<Config> read_config(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::stringstream content;
    if (!in || !(content << in.rdbuf())) {
        // An empty file sets failbit on the output: that is a configuration too.
        if (in.is_open() && in.peek() == std::ifstream::traits_type::eof() &&
            ::access(path.c_str(), R_OK) == 0 && !in.bad()) {
            return parse_config("", path);
        }
        return os_error(errno != 0 ? errno : EIO, "configuration file " + path);
    }
    return parse_config(content.str(), path);
}

}  // namespace spanring::consumer
