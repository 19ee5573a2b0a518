#include "model.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <unordered_map>

#include "json_text.hpp"

namespace spanring::tools::emit {
namespace {

/// Lines are written in blocks of this size: few calls, and little memory per thread.
constexpr std::size_t kBlockBytes = 64u << 10;

std::string object_of(const ModelAttributes& attributes) {
    std::unordered_map<std::string, std::size_t> last;  // a key that was set twice: the last value
    for (std::size_t i = 0; i < attributes.size(); ++i) last[attributes[i].first] = i;
    std::string out = "{";
    for (std::size_t i = 0; i < attributes.size(); ++i) {
        if (last[attributes[i].first] != i) continue;
        if (out.size() > 1) out += ',';
        out += json_of(attributes[i].first) + ":" + attributes[i].second;
    }
    return out + "}";
}

void field(std::string& out, const char* key, const std::string& text) {
    out += ",\"";
    out += key;
    out += "\":" + json_of(text);
}

void field_if_any(std::string& out, const char* key, const std::string& text) {
    if (!text.empty()) field(out, key, text);
}

std::string events_json(const std::vector<ModelEvent>& events) {
    std::string out = "[";
    for (const ModelEvent& event : events) {
        if (out.size() > 1) out += ',';
        out += "{\"name\":" + json_of(event.name) +
               ",\"attributes\":" + object_of(event.attributes) + "}";
    }
    return out + "]";
}

std::string links_json(const std::vector<ModelLink>& links) {
    std::string out = "[";
    for (const ModelLink& link : links) {
        if (out.size() > 1) out += ',';
        out += "{\"trace_id\":" + json_of(link.trace_id);
        field(out, "span_id", link.span_id);
        field_if_any(out, "trace_state", link.trace_state);
        out += ",\"attributes\":" + object_of(link.attributes) + "}";
    }
    return out + "]";
}

}  // namespace

std::string ModelSpan::json() const {
    std::string out = "{\"trace_id\":" + json_of(trace_id);
    field(out, "span_id", span_id);
    field(out, "parent_id", parent_id);
    field(out, "service", service);
    field(out, "name", name);
    field(out, "kind", kind);
    field(out, "status", status);
    field_if_any(out, "status_message", status_message);
    field_if_any(out, "trace_state", trace_state);
    field_if_any(out, "name_before", name_before);
    field_if_any(out, "kind_before", kind_before);
    field_if_any(out, "status_before", status_before);
    out += ",\"attributes\":" + object_of(attributes);
    out += ",\"events\":" + events_json(events);
    out += ",\"links\":" + links_json(links);
    if (!start_ns.empty()) out += ",\"start_ns\":" + start_ns;
    if (!duration_ns.empty()) out += ",\"duration_ns\":" + duration_ns;
    if (unfinished) out += ",\"unfinished\":true";
    if (any_order) out += ",\"any_order\":true";
    return out + "}";
}

OracleFile::OracleFile(const std::string& path)
    : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)),
      ok_(fd_.get() >= 0) {}

OracleFile::~OracleFile() {
    flush();
}

void OracleFile::span(const ModelSpan& span) {
    line(span.json());
}

void OracleFile::losses(const std::string& service, const ModelLosses& losses) {
    line("{\"losses\":{\"service\":" + json_of(service) +
         ",\"spans\":" + std::to_string(losses.spans) + ",\"ends\":" + std::to_string(losses.ends) +
         ",\"details\":" + std::to_string(losses.details) + "}}");
}

void OracleFile::line(const std::string& text) {
    pending_ += text;
    pending_ += '\n';
    if (pending_.size() >= kBlockBytes) flush();
}

void OracleFile::flush() {
    std::size_t done = 0;
    while (ok_ && done < pending_.size()) {
        const ssize_t written = ::write(fd_.get(), pending_.data() + done, pending_.size() - done);
        if (written < 0 && errno != EINTR) ok_ = false;
        if (written > 0) done += static_cast<std::size_t>(written);
    }
    pending_.clear();
}

}  // namespace spanring::tools::emit
