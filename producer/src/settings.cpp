// Settings from code and environment, and the resource of the process.
#include <limits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "process.hpp"
#include "spanring/abi/record_layout.h"
#include "w3c.hpp"

#ifndef SPANRING_VERSION
#define SPANRING_VERSION "0"
#endif

namespace spanring::detail {
namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

void warn(Settings& settings, const std::string& text) {
    settings.warnings.push_back(text);
}

/// A whole decimal number, or 0 and a warning.
std::uint64_t number_of(Settings& settings, const char* name) {
    const std::string text = environment(name);
    if (text.empty()) return 0;
    char* end = nullptr;
    errno = 0;
    const unsigned long long value = std::strtoull(text.c_str(), &end, 10);
    if (errno != 0 || *end != '\0' || text[0] == '-') {
        warn(settings, std::string(name) + "=" + text + ": not a number; ignored");
        return 0;
    }
    return value;
}

void put_resource(Settings& settings, const std::string& key, const std::string& value) {
    for (auto& [known, old] : settings.resource) {
        if (known == key) {
            old = value;
            return;
        }
    }
    settings.resource.emplace_back(key, value);
}

/// OTEL_RESOURCE_ATTRIBUTES: key=value, comma-separated, percent-encoded.
void read_resource_attributes(Settings& settings) {
    const std::string text = environment("OTEL_RESOURCE_ATTRIBUTES");
    std::size_t from = 0;
    while (from < text.size()) {
        std::size_t to = text.find(',', from);
        if (to == std::string::npos) to = text.size();
        const std::string member = text.substr(from, to - from);
        from = to + 1;
        const std::size_t equals = member.find('=');
        std::string key;
        std::string value;
        if (equals == std::string::npos || equals == 0 ||
            !w3c::percent_decode(member.substr(0, equals), &key) ||
            !w3c::percent_decode(member.substr(equals + 1), &value)) {
            if (!member.empty()) {
                warn(settings, "OTEL_RESOURCE_ATTRIBUTES: \"" + member +
                                   "\" is not key=value in percent encoding; ignored");
            }
            continue;
        }
        const auto strip = [](std::string& s) {
            while (!s.empty() && s.back() == ' ') s.pop_back();
            while (!s.empty() && s.front() == ' ') s.erase(0, 1);
        };
        strip(key);
        strip(value);
        put_resource(settings, key, value);
    }
}

void read_policy(Settings& settings) {
    Configuration& c = settings.configuration;
    const std::string policy = environment("SPANRING_POLICY");
    if (!c.policy_set && c.policy == Policy::kDrop) {
        if (policy == "block")
            c.policy = Policy::kBlock;
        else if (!policy.empty() && policy != "drop") {
            warn(settings, "SPANRING_POLICY=" + policy + ": neither drop nor block; ignored");
        }
    }
    if (c.block_timeout_ns == 0) {
        c.block_timeout_ns = number_of(settings, "SPANRING_BLOCK_MS") * 1'000'000;
    }
    if (c.ring_bytes_max == 0) c.ring_bytes_max = number_of(settings, "SPANRING_RING_BYTES");
}

std::string executable_name() {
    char path[PATH_MAX];
    const ssize_t bytes = ::readlink("/proc/self/exe", path, sizeof path);
    if (bytes <= 0) return {};
    const std::string_view whole(path, static_cast<std::size_t>(bytes));
    return std::string(whole.substr(whole.rfind('/') + 1));
}

std::string host_name() {
    char name[HOST_NAME_MAX + 1] = "";
    if (::gethostname(name, sizeof name) != 0) return {};
    name[HOST_NAME_MAX] = '\0';
    return name;
}

void put_head(std::vector<std::byte>& out, std::uint32_t kind, std::uint32_t id,
              std::uint32_t low) {
    const std::uint64_t head = spanring_record_head(kind, id, low);
    const auto* bytes = reinterpret_cast<const std::byte*>(&head);
    out.insert(out.end(), bytes, bytes + 8);
}

void put_text(std::vector<std::byte>& out, std::uint32_t kind, std::uint32_t id,
              const std::string& text) {
    put_head(out, kind, id, static_cast<std::uint32_t>(text.size()));
    const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
    out.insert(out.end(), bytes, bytes + text.size());
    out.resize((out.size() + 7) & ~std::size_t{7});
}

}  // namespace

Settings* make_settings(Configuration configuration) {
    auto* settings = new Settings;
    settings->configuration = std::move(configuration);
    const std::string executable = executable_name();
    settings->process_name = executable;
    put_resource(*settings, "service.name",
                 "unknown_service" + (executable.empty() ? "" : ":" + executable));
    put_resource(*settings, "telemetry.sdk.name", "spanring");
    put_resource(*settings, "telemetry.sdk.language", "cpp");
    put_resource(*settings, "telemetry.sdk.version", SPANRING_VERSION);
    if (!executable.empty()) put_resource(*settings, "process.executable.name", executable);
    if (const std::string host = host_name(); !host.empty()) {
        put_resource(*settings, "host.name", host);
    }
    read_resource_attributes(*settings);
    if (const std::string name = environment("OTEL_SERVICE_NAME"); !name.empty()) {
        put_resource(*settings, "service.name", name);
    }
    for (const auto& [key, value] : settings->configuration.resource) {
        put_resource(*settings, key, value);
    }
    if (!settings->configuration.service_name.empty()) {
        put_resource(*settings, "service.name", settings->configuration.service_name);
    }
    read_policy(*settings);
    const std::string disabled = environment("SPANRING_DISABLED");
    settings->disabled = !disabled.empty() && disabled != "0" && disabled != "false";
    settings->traceparent = environment("TRACEPARENT");
    settings->tracestate = environment("TRACESTATE");
    settings->baggage = environment("BAGGAGE");
    return settings;
}

std::vector<std::byte> encode_resource(const Settings& settings) {
    std::vector<std::byte> out;
    for (const auto& [key, value] : settings.resource) {
        // What does not fit into the segment's space for it is left out, service.name comes first.
        if (out.size() + key.size() + value.size() + 64 > shm::kResourceBytesMax) continue;
        put_text(out, SPANRING_REC_NAME, 0, key);
        put_text(out, SPANRING_REC_ATTR_STRING, SPANRING_ID_INLINE, value);
    }
    put_text(out, SPANRING_REC_NAME, 0, "process.pid");
    put_head(out, SPANRING_REC_ATTR_INT, SPANRING_ID_INLINE, 0);
    const std::int64_t pid = ::getpid();
    const auto* bytes = reinterpret_cast<const std::byte*>(&pid);
    out.insert(out.end(), bytes, bytes + 8);
    return out;
}

}  // namespace spanring::detail
