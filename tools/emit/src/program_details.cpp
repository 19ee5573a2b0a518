// Details of a random program: attributes, events, links, status, kind, names.
#include <stdexcept>

#include "json_text.hpp"
#include "made_attributes.hpp"
#include "program.hpp"
#include "roll_context.hpp"
#include "values.hpp"

namespace spanring::tools::emit {
namespace {

using namespace spanring::literals;

/// Longer than any page can be half of: such values go on in continuation records.
constexpr std::size_t kTextBytesMax = 20'000;
constexpr std::size_t kItemAttributesMax = 4;

struct LiteralKey {
    std::string_view text;
    Key key;
};

LiteralKey roll_literal_key(Dice& dice) {
    const auto made = [](Key key) { return LiteralKey{key.text(), key}; };
    switch (dice.below(4)) {
        case 0: return made("http.method"_key);
        case 1: return made("retries"_key);
        case 2: return made("price.€"_key);
        default: return made("db.statement"_key);
    }
}

bool has_key(const ModelSpan& model, std::string_view key) {
    for (const auto& [name, value] : model.attributes) {
        if (name == key) return true;
    }
    return false;
}

void add_attribute(const ModelPtr& model, std::string key, std::string json) {
    if (!model) return;
    const std::lock_guard lock(model->mutex);
    model->attributes.emplace_back(std::move(key), std::move(json));
}

void add_event(const ModelPtr& model, ModelEvent event) {
    if (!model) return;
    const std::lock_guard lock(model->mutex);
    model->events.push_back(std::move(event));
}

}  // namespace

/// Keys are this thread's own, so that what "set twice" means never depends on timing; with
/// losses they are used once, so that each loss shows.
std::string Program::roll_key(const ModelSpan& model) {
    const std::string mine = "t" + std::to_string(number_) + ".";
    if (!process_.options.drop && dice_.chance(15) && !model.attributes.empty()) {
        const std::string& used = model.attributes[dice_.below(model.attributes.size())].first;
        if (used.starts_with(mine)) return used;
    }
    return mine + (dice_.chance(5) ? "größe." : "k") + std::to_string(++serial_ % 50) + "." +
           std::to_string(model.attributes.size());
}

template <typename AnySpan>
void Program::attribute(AnySpan& span, const ModelPtr& model) {
    const MadeValue value = MadeValue::roll(dice_, kTextBytesMax);
    const LiteralKey literal = roll_literal_key(dice_);
    std::string key;
    {
        const ModelPtr any = model ? model : std::make_shared<ModelSpan>();
        const std::lock_guard lock(any->mutex);
        if (dice_.chance(70) || any->any_order || has_key(*any, literal.text)) key = roll_key(*any);
    }
    if (key.empty()) {
        span.set(literal.key, value.view());
        key = literal.text;
    } else {
        span.set(key, value.view());
    }
    add_attribute(model, std::move(key), value.json());
}

template <typename AnySpan>
void Program::event(AnySpan& span, const ModelPtr& model) {
    const std::string name = "event-" + std::to_string(dice_.below(10));
    const MadeAttributes attributes =
        MadeAttributes::roll(dice_, dice_.chance(50) ? 0 : kItemAttributesMax, kTextBytesMax / 10);
    if (dice_.chance(30)) {
        span.event("literal event"_key, attributes.views());
        add_event(model, {"literal event", attributes.model()});
    } else {
        span.event(name, attributes.views());
        add_event(model, {name, attributes.model()});
    }
}

template <typename AnySpan>
void Program::link(AnySpan& span, const ModelPtr& model) {
    std::optional<PlacedContext> target = process_.mailbox.remembered(dice_);
    if (!target || dice_.chance(40)) {
        target.emplace();
        target->context = roll_remote(dice_, target->place);
    }
    const MadeAttributes attributes = MadeAttributes::roll(dice_, 2, 100);
    span.add_link(target->context, attributes.views());
    if (!model) return;
    const std::lock_guard lock(model->mutex);
    model->links.push_back({target->place.trace_id, target->place.span_id,
                            target->place.remote ? target->place.trace_state : "",
                            attributes.model()});
}

template <typename AnySpan>
void Program::exception(AnySpan& span, const ModelPtr& model) {
    if (dice_.chance(50)) {
        span.record_exception(std::runtime_error("card declined"));
        add_event(model, {"exception",
                          {{"exception.type", json_of("std::runtime_error")},
                           {"exception.message", json_of("card declined")}}});
        return;
    }
    const std::string stack = dice_.chance(50) ? "at charge()\nat main()" : "";
    span.record_exception("shop::Declined", "no \"money\"", stack);
    ModelEvent event{"exception",
                     {{"exception.type", json_of("shop::Declined")},
                      {"exception.message", json_of("no \"money\"")}}};
    if (!stack.empty()) event.attributes.emplace_back("exception.stacktrace", json_of(stack));
    add_event(model, std::move(event));
}

/// Changed more than once only where the order is certain and every change arrives.
bool Program::may_change(const ModelSpan& model, const std::string& before) const {
    return before.empty() || (!process_.options.drop && !model.any_order);
}

template <typename AnySpan>
void Program::status(AnySpan& span, const ModelPtr& model) {
    if (model && !may_change(*model, model->status_before)) return;
    const bool error = dice_.chance(60);
    const std::string message = error && dice_.chance(70) ? "failed: " + roll_text(dice_, 500) : "";
    span.set_status(error ? StatusCode::kError : StatusCode::kOk, message);
    if (!model) return;
    model->status = error ? "error" : "ok";
    model->status_message = message;
    model->status_before = "unset";
}

template <typename AnySpan>
void Program::kind(AnySpan& span, const ModelPtr& model) {
    if (model && !may_change(*model, model->kind_before)) return;
    const std::size_t kind = dice_.below(std::size(kKinds));
    span.set_kind(kKinds[kind]);
    if (!model) return;
    model->kind = kKindNames[kind];
    model->kind_before = "unset";
}

template <typename AnySpan>
void Program::rename(AnySpan& span, const ModelPtr& model) {
    if (model && !may_change(*model, model->name_before)) return;
    const std::string name = "renamed-" + std::to_string(dice_.below(20));
    span.update_name(name);
    if (!model) return;
    if (model->name_before.empty()) model->name_before = model->name;
    model->name = name;
}

template <typename AnySpan>
void Program::detail(AnySpan& span, const ModelPtr& model) {
    switch (dice_.below(12)) {
        case 0:
        case 1:
        case 2: return event(span, model);
        case 3: return link(span, model);
        case 4: return exception(span, model);
        case 5: return status(span, model);
        case 6: return kind(span, model);
        case 7: return rename(span, model);
        default: return attribute(span, model);
    }
}

void Program::detail_of_async(AsyncSpan& span, const ModelPtr& model) {
    detail(span, model);
}

void Program::detail_of_some_span() {
    if (stack_.size() <= floor_) return;
    // Mostly the innermost, now and then another open one of this thread.
    const std::size_t index =
        dice_.chance(75) ? stack_.size() - 1 : floor_ + dice_.below(stack_.size() - floor_);
    Entry& entry = *stack_[index];
    if (entry.span) detail(*entry.span, entry.model);
}

void Program::free_attribute() {
    const Place& place = here();
    const MadeValue value = MadeValue::roll(dice_, kTextBytesMax);
    std::string key = "t" + std::to_string(number_) + ".free" + std::to_string(++serial_);
    spanring::set(key, value.view());
    add_attribute(place.model, std::move(key), value.json());
}

void Program::free_event() {
    const Place& place = here();
    if (place.suppressed || place.model) {
        const MadeAttributes attributes = MadeAttributes::roll(dice_, kItemAttributesMax, 1000);
        spanring::event("free event", attributes.views());
        add_event(place.model, {"free event", attributes.model()});
        return;
    }
    event_without_span(place);
}

/// Becomes a span of zero duration below the context, which says what it inherits as any other.
/// Nobody learns its id, so its name is unique.
void Program::event_without_span(const Place& place) {
    ModelSpan model;
    model.name = unique_name("lone event");
    model.trace_id = place.trace_id.empty() ? kAnyId : place.trace_id;
    model.span_id = kAnyId;
    model.parent_id = place.span_id;
    model.service = process_.service;
    add_inherited(place, model);
    const MadeAttributes attributes = MadeAttributes::roll(dice_, kItemAttributesMax, 1000);
    spanring::event(model.name, attributes.views());
    for (auto& [key, json] : attributes.model()) model.attributes.emplace_back(key, json);
    write_down(model);
}

}  // namespace spanring::tools::emit
