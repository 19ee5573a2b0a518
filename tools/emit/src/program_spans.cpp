// Spans and contexts of a random program: begin, end, attach, lend, hand over.
#include "json_text.hpp"
#include "program.hpp"
#include "roll_context.hpp"
#include "values.hpp"

namespace spanring::tools::emit {
namespace {

/// Steps inside a borrowed context, a macro span: short, because the lender waits.
constexpr unsigned kInnerSteps = 6;
/// Deeper than the 64 entries that a page's snapshot holds.
constexpr unsigned kDeepSpans = 80;

using namespace spanring::literals;

/// A third of the names come from literals, whose numbers are cached in static descriptors.
Key roll_literal(Dice& dice) {
    switch (dice.below(4)) {
        case 0: return "GET /cart"_key;
        case 1: return "charge card"_key;
        case 2: return "Größe prüfen 猫"_key;
        default: return "SELECT"_key;
    }
}

}  // namespace

std::string Program::roll_name() {
    if (dice_.chance(5)) return "n " + roll_text(dice_, 300);
    return "operation-" + std::to_string(dice_.below(40));
}

ModelPtr Program::model_of(const Place& parent, const Context& context, std::string name) {
    if (parent.suppressed) return nullptr;
    auto model = std::make_shared<ModelSpan>();
    model->trace_id = parent.trace_id.empty() ? context.trace_id() : parent.trace_id;
    model->span_id = context.span_id();
    model->parent_id = parent.span_id;
    model->service = process_.service;
    model->name = std::move(name);
    add_inherited(parent, *model);
    return model;
}

void Program::add_inherited(const Place& parent, ModelSpan& model) {
    model.trace_state = parent.trace_state;
    if (!parent.remote && !parent.span_id.empty()) return;
    // The first span of this process below the context says whose request it is.
    if (!parent.request_id.empty()) {
        model.attributes.emplace_back("request.id", json_of(parent.request_id));
    }
    if (!parent.user_id.empty()) {
        model.attributes.emplace_back("user.id", json_of(parent.user_id));
    }
}

Place Program::place_below(const Place& parent, const ModelPtr& model) {
    Place place = parent;
    place.model = model;
    if (model) {
        place.remote = false;
        place.trace_id = model->trace_id;
        place.span_id = model->span_id;
    }
    return place;
}

Program::Beginning Program::roll_beginning() {
    Beginning beginning;
    beginning.parent = here();
    beginning.text = roll_name();
    if (dice_.chance(8)) {
        if (const auto elsewhere = process_.mailbox.remembered(dice_)) {
            beginning.options.parent = elsewhere->context;
            beginning.parent = elsewhere->place;
        }
    } else if (dice_.chance(2)) {
        beginning.options.parent = Context();
        beginning.parent = {};
    }
    if (dice_.chance(40)) {
        const std::size_t kind = dice_.below(std::size(kKinds));
        beginning.options.kind = kKinds[kind];
        beginning.kind = kKindNames[kind];
    }
    return beginning;
}

ModelPtr Program::model_of(const Beginning& beginning, const Context& context,
                           std::string_view name) {
    ModelPtr model = model_of(beginning.parent, context, std::string(name));
    if (model && !beginning.kind.empty()) {
        model->kind = beginning.kind;
        model->kind_before = "unset";
    }
    return model;
}

void Program::push(std::unique_ptr<Entry> entry) {
    if (entry->model && dice_.chance(20)) {
        Place place = entry->place;
        place.model = nullptr;  // it may have ended by the time that somebody uses it
        process_.mailbox.remember({entry->span->context(), std::move(place)}, dice_);
    }
    stack_.push_back(std::move(entry));
}

void Program::begin_span() {
    const Beginning beginning = roll_beginning();
    const Key name = dice_.chance(30) ? roll_literal(dice_) : Key(beginning.text);
    const bool plain = !beginning.options.parent && beginning.kind.empty();
    auto entry = std::make_unique<Entry>();
    entry->span =
        plain ? std::make_unique<Span>(name) : std::make_unique<Span>(name, beginning.options);
    entry->model = model_of(beginning, entry->span->context(), name.text());
    entry->place = place_below(beginning.parent, entry->model);
    push(std::move(entry));
    ++begun_;
}

void Program::begin_macro_span() {
    const Place parent = here();
    SPANRING_SPAN("macro span", SpanKind::kServer);
    ++begun_;
    const Context context = Context::current();
    ModelPtr model = model_of(parent, context, "macro span");
    if (model) {
        model->kind = "server";
        model->kind_before = "unset";
    }
    // A context entry without a scope: the span is the function's, not the stack's.
    auto entry = std::make_unique<Entry>();
    entry->place = place_below(parent, model);
    stack_.push_back(std::move(entry));
    inner_steps();
    SPANRING_EVENT("macro event", "attempt", 3, "ok"_key, true);
    if (model) model->events.push_back({"macro event", {{"attempt", "3"}, {"ok", "true"}}});
    stack_.pop_back();
    if (model) write_down(*model);
}

void Program::begin_deep() {
    // Deeper than a page's snapshot shows: the page turns on the way carry cut ones.
    const std::size_t depth = stack_.size();
    for (unsigned i = 0; i < kDeepSpans; ++i) begin_span();
    end_down_to(depth + dice_.below(kDeepSpans));
    for (unsigned i = 0; i < kInnerSteps; ++i) begin_span();
    end_down_to(depth);
}

void Program::inner_steps() {
    const std::size_t floor = floor_;
    floor_ = stack_.size();
    for (std::uint64_t i = dice_.below(kInnerSteps); i > 0; --i) step();
    end_down_to(floor_);
    floor_ = floor;
}

void Program::end_top() {
    if (stack_.size() > floor_) end_entry(stack_.size() - 1);
}

void Program::end_some_span() {
    if (stack_.size() <= floor_) return;
    std::size_t index = stack_.size() - 1;
    // Now and then not the innermost one; contexts are given back in order only.
    if (dice_.chance(8)) index = floor_ + dice_.below(stack_.size() - floor_);
    if (index + 1 != stack_.size() && !stack_[index]->span) return;
    end_entry(index);
}

void Program::end_entry(std::size_t index) {
    Entry& entry = *stack_[index];
    if (entry.lent) process_.mailbox.reclaim(entry.model);
    if (entry.span && dice_.chance(50)) entry.span->end();  // else by the destructor
    const ModelPtr model = entry.span ? entry.model : nullptr;
    stack_.erase(stack_.begin() + static_cast<std::ptrdiff_t>(index));
    if (model) write_down(*model);
}

void Program::attach(const Context& context, Place place) {
    auto entry = std::make_unique<Entry>();
    entry->held = std::make_unique<Entry::Held>(context);
    entry->place = std::move(place);
    stack_.push_back(std::move(entry));
}

void Program::attach_remote() {
    Place place;
    const Context context = roll_remote(dice_, place);
    attach(context, std::move(place));
}

void Program::attach_nothing() {
    attach(Context(), {});
}

void Program::lend_top() {
    if (stack_.size() <= floor_ || floor_ != 0) return;
    Entry& top = *stack_.back();
    // A span whose begin was lost has no details to give; calls for it would prove nothing.
    if (!top.span || !top.model || top.lent || !top.span->recording()) return;
    top.lent = true;
    top.model->any_order = true;
    process_.mailbox.lend({top.span->context(), top.place});
}

void Program::borrow() {
    if (floor_ != 0) return;  // never while a lender waits for this thread
    std::optional<PlacedContext> lent = process_.mailbox.borrow(dice_);
    if (!lent) return;
    const ModelPtr model = lent->place.model;
    const std::size_t depth = stack_.size();
    attach(lent->context, std::move(lent->place));
    inner_steps();
    end_down_to(depth);
    model->borrowers.store(0);
}

void Program::begin_async() {
    const Beginning beginning = roll_beginning();
    const Key name = dice_.chance(30) ? roll_literal(dice_) : Key(beginning.text);
    AsyncItem item;
    item.span = AsyncSpan(name, beginning.options);
    item.model = model_of(beginning, item.span.context(), name.text());
    item.place = place_below(beginning.parent, item.model);
    ++begun_;
    if (dice_.chance(50)) detail_of_async(item.span, item.model);
    if (item.model) item.model->any_order = true;
    process_.mailbox.put(std::move(item));
}

void Program::use_async() {
    std::optional<AsyncItem> item = process_.mailbox.take(dice_);
    if (!item) return;
    for (std::uint64_t i = dice_.below(3); i > 0; --i) detail_of_async(item->span, item->model);
    if (dice_.chance(30) && item->span.recording()) {
        const std::size_t depth = stack_.size();
        attach(item->span.context(), item->place);
        inner_steps();
        end_down_to(depth);
    }
    if (dice_.chance(40)) return finish(std::move(*item));
    process_.mailbox.put(std::move(*item));
}

void Program::finish(AsyncItem item) {
    if (dice_.chance(50)) item.span.end();
    if (item.model) write_down(*item.model);
}

void Program::write_down(const ModelSpan& model) {
    oracle_.span(model);
}

}  // namespace spanring::tools::emit
