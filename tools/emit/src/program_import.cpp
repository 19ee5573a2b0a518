// Imported spans in a random program: ids and times of their own, recorded whole.
#include "json_text.hpp"
#include "made_attributes.hpp"
#include "program.hpp"
#include "roll_context.hpp"

namespace spanring::tools::emit {
namespace {

/// 2022-08-22, about when the recorded data of the replay was recorded.
constexpr std::int64_t kSomeTimeNs = 1'661'140'374'351'773'094;

template <typename Id>
Id id_of(const std::string& hex) {
    Id id;
    (void)from_hex(hex, &id);
    return id;
}

/// Times of an import are part of the oracle: they are not the library's own.
void roll_times(Dice& dice, ImportedSpan& span, ModelSpan& model) {
    model.start_ns = model.duration_ns = "null";
    if (dice.chance(90)) {
        span.start_ns = kSomeTimeNs + dice.between(-1'000'000'000, 1'000'000'000);
        model.start_ns = json_of(*span.start_ns);
    }
    if (dice.chance(90)) {
        span.duration_ns = dice.chance(10) ? 0 : dice.between(0, 5'000'000'000);
        model.duration_ns = json_of(*span.duration_ns);
    }
}

}  // namespace

void Program::import_one() {
    ModelSpan model;
    ImportedSpan span;
    span.trace_id_64 = dice_.chance(20);
    model.trace_id = roll_hex(dice_, span.trace_id_64 ? 1 : 2);
    model.span_id = roll_hex(dice_, 1);
    if (dice_.chance(70)) model.parent_id = roll_hex(dice_, 1);
    span.trace_id = id_of<TraceId>(model.trace_id);
    span.span_id = id_of<SpanId>(model.span_id);
    if (!model.parent_id.empty()) span.parent_id = id_of<SpanId>(model.parent_id);
    model.service = process_.service;
    model.name = "imported-" + std::to_string(dice_.below(20));
    span.name = model.name;
    const std::size_t kind = dice_.below(std::size(kKinds));
    span.kind = kKinds[kind];
    model.kind = kKindNames[kind];
    if (dice_.chance(30)) {
        span.status = StatusCode::kError;
        model.status = "error";
        span.status_message = model.status_message = "import failed";
    }
    roll_times(dice_, span, model);

    const MadeAttributes attributes = MadeAttributes::roll(dice_, 6, 20'000);
    span.attributes = attributes.views();
    model.attributes = attributes.model();
    const MadeAttributes of_event = MadeAttributes::roll(dice_, 3, 500);
    const ImportedEvent event{"imported event", kSomeTimeNs, of_event.views()};
    if (dice_.chance(50)) {
        span.events = {&event, 1};
        model.events.push_back({"imported event", of_event.model()});
    }
    Place target;
    (void)roll_remote(dice_, target);
    const MadeAttributes of_link = MadeAttributes::roll(dice_, 2, 100);
    const ImportedLink link{id_of<TraceId>(target.trace_id),
                            id_of<SpanId>(target.span_id),
                            false,
                            0,
                            target.trace_state,
                            of_link.views()};
    if (dice_.chance(30)) {
        span.links = {&link, 1};
        model.links.push_back(
            {target.trace_id, target.span_id, target.trace_state, of_link.model()});
    }
    (void)import_span(span);  // what does not fit is counted by the library
    write_down(model);
}

}  // namespace spanring::tools::emit
