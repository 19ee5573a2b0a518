#include "spanring/codec/zipkin_json.hpp"

#include <limits>
#include <map>
#include <memory>
#include <string>

#include "json.hpp"

namespace spanring::codec {
namespace {

using JsonValue = rapidjson::Value;

constexpr std::int64_t kNsPerUs = 1000;
constexpr std::uint64_t kUsMax = std::numeric_limits<std::int64_t>::max() / kNsPerUs;

Error invalid(const std::string& what) {
    return Error{ErrorCode::kInvalidArgument, what};
}

// Reads one span; remembers the first thing that is wrong.
class SpanReader {
public:
    explicit SpanReader(const JsonValue& json) : json_(json) {}

    // The resource is left to the caller, who shares it between spans.
    Span read() {
        Span span;
        read_ids(&span);
        span.name = text(json_, "name");
        span.kind = kind();
        span.start_ns = time_ns(json_, "timestamp");
        span.duration_ns = time_ns(json_, "duration");
        endpoint("localEndpoint", "net.host.ip", "net.host.port", &span);
        const auto peer = service_of_endpoint("remoteEndpoint");
        if (!peer.empty()) span.attributes.emplace_back("peer.service", peer);
        endpoint("remoteEndpoint", "net.peer.ip", "net.peer.port", &span);
        flag("shared", "zipkin.shared", &span);
        flag("debug", "zipkin.debug", &span);
        read_tags(&span);
        read_annotations(&span);
        return span;
    }

    [[nodiscard]] std::string service() { return service_of_endpoint("localEndpoint"); }
    [[nodiscard]] const std::string& fault() const noexcept { return fault_; }

private:
    void set_fault(const std::string& what) {
        if (fault_.empty()) fault_ = what;
    }

    std::string text(const JsonValue& object, const char* key) {
        const JsonValue* v = member(object, key);
        if (v == nullptr) return {};
        if (v->IsString()) return std::string(text_of(*v));
        set_fault(std::string(key) + " is not a string");
        return {};
    }

    std::optional<std::int64_t> time_ns(const JsonValue& object, const char* key) {
        const JsonValue* v = member(object, key);
        if (v == nullptr) return std::nullopt;
        if (v->IsUint64() && v->GetUint64() <= kUsMax) {
            return static_cast<std::int64_t>(v->GetUint64()) * kNsPerUs;
        }
        set_fault(std::string(key) + " is not a number of microseconds");
        return std::nullopt;
    }

    // Some instrumentations leave leading zeros out: `full` characters, or fewer.
    std::string hex(const char* key, std::size_t full) {
        std::string id = text(json_, key);
        if (!id.empty() && id.size() < full) id.insert(0, full - id.size(), '0');
        return id;
    }

    void read_ids(Span* span) {
        std::string trace = hex("traceId", 16);
        if (trace.size() > 16) trace = hex("traceId", 32);
        if (!from_hex(trace, &span->trace_id)) set_fault("traceId is not 16 or 32 hex characters");
        span->trace_id_64 = trace.size() == 16;
        if (!from_hex(hex("id", 16), &span->span_id)) set_fault("id is not 16 hex characters");
        const std::string parent = hex("parentId", 16);
        if (!parent.empty() && !from_hex(parent, &span->parent_id)) {
            set_fault("parentId is not 16 hex characters");
        }
    }

    SpanKind kind() {
        const std::string word = text(json_, "kind");
        if (word.empty()) return SpanKind::kUnset;
        if (word == "SERVER") return SpanKind::kServer;
        if (word == "CLIENT") return SpanKind::kClient;
        if (word == "PRODUCER") return SpanKind::kProducer;
        if (word == "CONSUMER") return SpanKind::kConsumer;
        set_fault("kind is unknown: " + word);
        return SpanKind::kUnset;
    }

    const JsonValue* endpoint_of(const char* key) {
        const JsonValue* v = member(json_, key);
        if (v != nullptr && !v->IsObject()) {
            set_fault(std::string(key) + " is not an object");
            return nullptr;
        }
        return v;
    }

    std::string service_of_endpoint(const char* key) {
        const JsonValue* v = endpoint_of(key);
        return v != nullptr ? text(*v, "serviceName") : std::string();
    }

    void endpoint(const char* key, const char* ip_key, const char* port_key, Span* span) {
        const JsonValue* v = endpoint_of(key);
        if (v == nullptr) return;
        std::string ip = text(*v, "ipv4");
        if (ip.empty()) ip = text(*v, "ipv6");
        if (!ip.empty()) span->attributes.emplace_back(ip_key, std::move(ip));
        const JsonValue* port = member(*v, "port");
        if (port == nullptr) return;
        if (!port->IsUint() || port->GetUint() > 0xffff) return set_fault("port is not a port");
        span->attributes.emplace_back(port_key, static_cast<std::int64_t>(port->GetUint()));
    }

    void flag(const char* key, const char* attribute, Span* span) {
        const JsonValue* v = member(json_, key);
        if (v == nullptr) return;
        if (!v->IsBool()) return set_fault(std::string(key) + " is not true or false");
        span->attributes.emplace_back(attribute, v->GetBool());
    }

    void read_tags(Span* span) {
        const JsonValue* tags = member(json_, "tags");
        if (tags == nullptr) return;
        if (!tags->IsObject()) return set_fault("tags is not an object");
        for (const auto& tag : tags->GetObject()) {
            const std::string key(text_of(tag.name));
            if (!tag.value.IsString()) return set_fault("tag " + key + " is not a string");
            if (key == "error") span->status = StatusCode::kError;
            span->attributes.emplace_back(key, std::string(text_of(tag.value)));
        }
    }

    void read_annotations(Span* span) {
        const JsonValue* annotations = member(json_, "annotations");
        if (annotations == nullptr) return;
        if (!annotations->IsArray()) return set_fault("annotations is not an array");
        for (const auto& annotation : annotations->GetArray()) {
            const auto ns = time_ns(annotation, "timestamp");
            if (!ns) return set_fault("an annotation has no timestamp");
            span->events.push_back(
                {.name = text(annotation, "value"), .time_ns = *ns, .attributes = {}});
        }
    }

    const JsonValue& json_;
    std::string fault_;
};

class ArrayReader {
public:
    Result<void> read(const JsonValue& array, bool nested_allowed) {
        if (!array.IsArray()) return invalid("not a Zipkin v2 file: expected an array of spans");
        for (const auto& element : array.GetArray()) {
            auto done = element.IsArray() && nested_allowed ? read(element, false) : add(element);
            if (!done) return done;
        }
        return {};
    }

    std::vector<Span> spans;

private:
    Result<void> add(const JsonValue& json) {
        const std::string where = "span " + std::to_string(spans.size() + 1) + ": ";
        if (!json.IsObject()) return invalid(where + "not an object");
        SpanReader reader(json);
        Span span = reader.read();
        if (!reader.fault().empty()) return invalid(where + reader.fault());
        span.resource = resource_of(reader.service());
        spans.push_back(std::move(span));
        return {};
    }

    std::shared_ptr<const Attributes> resource_of(const std::string& service) {
        auto& resource = resources_[service];
        if (resource == nullptr) {
            Attributes attributes;
            if (!service.empty()) attributes.emplace_back("service.name", service);
            resource = std::make_shared<const Attributes>(std::move(attributes));
        }
        return resource;
    }

    std::map<std::string, std::shared_ptr<const Attributes>> resources_;
};

}  // namespace

Result<std::vector<Span>> read_zipkin_json(std::string_view text) {
    rapidjson::Document document;
    auto parsed = parse_json(text, &document);
    if (!parsed) return std::move(parsed).error();
    ArrayReader reader;
    auto read = reader.read(document, true);
    if (!read) return std::move(read).error();
    return std::move(reader.spans);
}

}  // namespace spanring::codec
