#include "spanring/codec/jsonl.hpp"

#include "json.hpp"
#include "spanring/base/shortest_text.hpp"

namespace spanring::codec {
namespace {

Error invalid(const std::string& what) {
    return Error{ErrorCode::kInvalidArgument, what};
}

// ---- writing ----

void write_time(JsonWriter& out, const char* key, const std::optional<std::int64_t>& ns) {
    out.Key(key);
    if (ns) {
        out.Int64(*ns);
    } else {
        out.Null();
    }
}

void write_string(JsonWriter& out, const char* key, std::string_view text) {
    out.Key(key);
    write_text(out, text);
}

template <typename T, typename Write>
std::string json_of(const T& what, Write write) {
    rapidjson::StringBuffer buffer;
    JsonWriter out(buffer);
    write(out, what);
    return {buffer.GetString(), buffer.GetSize()};
}

void write_flag(JsonWriter& out, const char* key, bool value) {
    if (!value) return;
    out.Key(key);
    out.Bool(true);
}

void write_events(JsonWriter& out, const std::vector<Event>& events) {
    out.StartArray();
    for (const Event& event : events) {
        out.StartObject();
        write_string(out, "name", event.name);
        out.Key("time_ns");
        out.Int64(event.time_ns);
        out.Key("attributes");
        write_attributes(out, event.attributes);
        out.EndObject();
    }
    out.EndArray();
}

void write_links(JsonWriter& out, const std::vector<Link>& links) {
    out.StartArray();
    for (const Link& link : links) {
        out.StartObject();
        write_string(out, "trace_id", to_hex(link.trace_id, link.trace_id_64));
        write_string(out, "span_id", to_hex(link.span_id));
        out.Key("attributes");
        write_attributes(out, link.attributes);
        if (!link.trace_state.empty()) write_string(out, "trace_state", link.trace_state);
        if (link.flags != 0) {
            out.Key("flags");
            out.Uint(link.flags);
        }
        out.EndObject();
    }
    out.EndArray();
}

void write_rare_fields(JsonWriter& out, const Span& span) {
    write_flag(out, "unfinished", span.unfinished);
    write_flag(out, "end_lost", span.end_lost);
    write_flag(out, "truncated", span.truncated);
    if (!span.trace_state.empty()) write_string(out, "trace_state", span.trace_state);
    if (span.scope != Scope{}) {
        out.Key("scope");
        out.StartObject();
        write_string(out, "name", span.scope.name);
        write_string(out, "version", span.scope.version);
        out.EndObject();
    }
    if (span.flags != 0) {
        out.Key("flags");
        out.Uint(span.flags);
    }
    if (span.dropped != DroppedCounts{}) {
        out.Key("dropped");
        out.StartObject();
        out.Key("attributes");
        out.Uint(span.dropped.attributes);
        out.Key("events");
        out.Uint(span.dropped.events);
        out.Key("links");
        out.Uint(span.dropped.links);
        out.EndObject();
    }
}

// ---- reading ----

// Takes the members of one JSON object; remembers the first that has the wrong type.
class Fields {
public:
    explicit Fields(const rapidjson::Value& object) : object_(object) {
        if (!object.IsObject()) fault_ = "not an object";
    }

    std::string text(const char* key) {
        const auto* v = member(object_, key);
        if (v == nullptr) return {};
        if (!v->IsString()) return set_fault(key, "is not a string"), std::string();
        return std::string(text_of(*v));
    }
    std::optional<std::int64_t> integer(const char* key) {
        const auto* v = member(object_, key);
        if (v == nullptr) return std::nullopt;
        if (!v->IsInt64()) return set_fault(key, "is not an integer"), std::nullopt;
        return v->GetInt64();
    }
    std::uint32_t count(const char* key) {
        const auto* v = member(object_, key);
        if (v == nullptr) return 0;
        if (!v->IsUint()) return set_fault(key, "is not a count"), 0u;
        return v->GetUint();
    }
    bool flag(const char* key) {
        const auto* v = member(object_, key);
        if (v != nullptr && !v->IsBool()) set_fault(key, "is not true or false");
        return v != nullptr && v->IsBool() && v->GetBool();
    }
    Attributes attributes(const char* key) {
        auto read = read_attributes(member(object_, key));
        if (read) return *std::move(read);
        set_fault(key, read.error().message);
        return {};
    }
    void trace_id(const char* key, TraceId* id, bool* is_64) {
        const std::string hex = text(key);
        if (!from_hex(hex, id)) set_fault(key, "is not 16 or 32 hex characters");
        *is_64 = hex.size() == 16;
    }
    void span_id(const char* key, SpanId* id) {
        if (!from_hex(text(key), id)) set_fault(key, "is not 16 hex characters");
    }
    /// Calls f(Fields&) for each object of the array `key`.
    template <typename F>
    void each(const char* key, F&& f) {
        const auto* v = member(object_, key);
        if (v == nullptr) return;
        if (!v->IsArray()) return set_fault(key, "is not an array");
        for (const auto& element : v->GetArray()) {
            Fields fields(element);
            if (fields.fault_.empty()) f(fields);
            if (!fields.fault_.empty()) return set_fault(key, fields.fault_);
        }
    }
    [[nodiscard]] const rapidjson::Value* get(const char* key) const {
        return member(object_, key);
    }
    void set_fault(const char* key, const std::string& what) {
        if (fault_.empty()) fault_ = std::string(key) + " " + what;
    }
    [[nodiscard]] const std::string& fault() const noexcept { return fault_; }

private:
    const rapidjson::Value& object_;
    std::string fault_;
};

template <typename Enum>
void read_word(Fields& in, const char* key, Enum last, Enum* out) {
    const std::string word = in.text(key);
    if (word.empty()) return;
    for (int i = 0; i <= static_cast<int>(last); ++i) {
        const auto value = static_cast<Enum>(i);
        if (word == to_string(value)) return void(*out = value);
    }
    in.set_fault(key, "is unknown: " + word);
}

void read_ids(Fields& in, Span* span) {
    in.trace_id("trace_id", &span->trace_id, &span->trace_id_64);
    in.span_id("span_id", &span->span_id);
    if (!in.text("parent_id").empty()) in.span_id("parent_id", &span->parent_id);
}

void read_items(Fields& in, Span* span) {
    in.each("events", [&](Fields& fields) {
        span->events.push_back({.name = fields.text("name"),
                                .time_ns = fields.integer("time_ns").value_or(0),
                                .attributes = fields.attributes("attributes")});
    });
    in.each("links", [&](Fields& fields) {
        Link link;
        fields.trace_id("trace_id", &link.trace_id, &link.trace_id_64);
        fields.span_id("span_id", &link.span_id);
        link.attributes = fields.attributes("attributes");
        link.trace_state = fields.text("trace_state");
        link.flags = fields.count("flags");
        span->links.push_back(std::move(link));
    });
}

void read_rare_fields(Fields& in, Span* span) {
    span->unfinished = in.flag("unfinished");
    span->end_lost = in.flag("end_lost");
    span->truncated = in.flag("truncated");
    span->trace_state = in.text("trace_state");
    span->flags = in.count("flags");
    if (const auto* scope = in.get("scope")) {
        Fields fields(*scope);
        span->scope = {fields.text("name"), fields.text("version")};
        if (!fields.fault().empty()) in.set_fault("scope", fields.fault());
    }
    if (const auto* dropped = in.get("dropped")) {
        Fields fields(*dropped);
        span->dropped = {fields.count("attributes"), fields.count("events"), fields.count("links")};
        if (!fields.fault().empty()) in.set_fault("dropped", fields.fault());
    }
}

}  // namespace

std::string to_json(const Attributes& attributes) {
    return json_of(attributes, write_attributes);
}
std::string to_json(const std::vector<Event>& events) {
    return json_of(events, write_events);
}
std::string to_json(const std::vector<Link>& links) {
    return json_of(links, write_links);
}
std::string to_json(const Value& value) {
    return json_of(value, write_value);
}

std::string text_of(const Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
    if (const auto* whole = std::get_if<std::int64_t>(&value)) return shortest_text(*whole);
    if (const auto* real = std::get_if<double>(&value)) return shortest_text(*real);
    return to_json(value);
}

std::string to_jsonl(const Span& span) {
    const Attributes& resource = resource_of(span);
    rapidjson::StringBuffer buffer;
    JsonWriter out(buffer);
    out.StartObject();
    write_string(out, "trace_id", to_hex(span.trace_id, span.trace_id_64));
    write_string(out, "span_id", to_hex(span.span_id));
    write_string(out, "parent_id", span.parent_id.valid() ? to_hex(span.parent_id) : "");
    write_string(out, "service", service_of(resource));
    write_string(out, "name", span.name);
    write_string(out, "kind", to_string(span.kind));
    write_time(out, "start_ns", span.start_ns);
    write_time(out, "duration_ns", span.duration_ns);
    write_string(out, "status", to_string(span.status));
    if (!span.status_message.empty()) write_string(out, "status_message", span.status_message);
    out.Key("attributes");
    write_attributes(out, span.attributes);
    out.Key("resource");
    write_attributes(out, resource);
    out.Key("events");
    write_events(out, span.events);
    out.Key("links");
    write_links(out, span.links);
    write_rare_fields(out, span);
    out.EndObject();
    return {buffer.GetString(), buffer.GetSize()};
}

Result<Span> from_jsonl(std::string_view line) {
    rapidjson::Document document;
    auto parsed = parse_json(line, &document);
    if (!parsed) return std::move(parsed).error();
    Span span;
    Fields in(document);
    if (!in.fault().empty()) return invalid("span: " + in.fault());
    read_ids(in, &span);
    span.name = in.text("name");
    read_word(in, "kind", SpanKind::kConsumer, &span.kind);
    read_word(in, "status", StatusCode::kError, &span.status);
    span.status_message = in.text("status_message");
    span.start_ns = in.integer("start_ns");
    span.duration_ns = in.integer("duration_ns");
    span.attributes = in.attributes("attributes");
    span.resource = std::make_shared<const Attributes>(in.attributes("resource"));
    read_items(in, &span);
    read_rare_fields(in, &span);
    if (!in.fault().empty()) return invalid("span: " + in.fault());
    return span;
}

}  // namespace spanring::codec
