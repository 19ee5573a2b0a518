#include "trace_model.hpp"

#include <algorithm>
#include <cmath>

namespace spanring::generate {
namespace {

using codec::SpanKind;

struct Role {
    std::string_view name;
    std::size_t layer;
    std::string_view things;  ///< what its routes and tables are named after
};

constexpr std::array<Role, kServices> kRoles = {{
    {"web-frontend", 0, "page"},
    {"mobile-gateway", 0, "screen"},
    {"checkout", 1, "order"},
    {"cart", 1, "cart"},
    {"catalogue", 1, "product"},
    {"search", 1, "query"},
    {"recommendation", 1, "offer"},
    {"account", 1, "account"},
    {"order-history", 1, "history"},
    {"ads", 1, "banner"},
    {"payment", 2, "payment"},
    {"currency", 2, "rate"},
    {"shipping", 2, "parcel"},
    {"inventory", 2, "stock"},
    {"email", 2, "mail"},
    {"pricing", 2, "price"},
    {"reviews", 2, "review"},
    {"auth", 3, "token"},
    {"fraud-check", 3, "score"},
    {"notification", 3, "message"},
}};
constexpr std::array<std::string_view, 4> kVerbs = {"GET", "POST", "PUT", "DELETE"};

// Operations by their place: requests, calls, statements, own work.
constexpr std::size_t kFirstCall = 4;
constexpr std::size_t kFirstStatement = 7;
constexpr std::size_t kOwnWork = 9;
constexpr std::size_t kLastLayer = 3;

// Spread of a log-normal: its 99th percentile is about 10 medians, and with the rare ones below 20.
constexpr double kSigma = 1.0;
constexpr double kOutliers = 0.001;
constexpr double kOutlierFactor = 100;
// Of a step by itself; some of those who asked fail with it.
constexpr double kFails = 0.004;
constexpr double kFailsWithStep = 0.6;
// Steps of a request by layer, on average; traces of about fourteen spans.
constexpr std::array<double, 4> kSteps = {3.2, 2.0, 1.3, 0.9};
constexpr double kCallsOfSteps = 0.45;
constexpr double kBigTraces = 0.0002;
constexpr std::size_t kBigTraceSpans = 600;
constexpr std::size_t kTraceSpans = 64;

Operation operation_of(const Role& role, const std::array<std::size_t, 3>& calls, std::size_t i) {
    const std::string things(role.things);
    // Each operation has a pace of its own: 60 µs to 3 ms.
    const double pace = std::exp2(static_cast<double>((i * 7 + role.layer * 3) % 12) / 2.0);
    if (i < kFirstCall)
        return {std::string(kVerbs[i]) + " /" + things + (i == 1 ? "" : "/{id}"), SpanKind::kServer,
                60e3 * pace};
    if (i < kFirstStatement && role.layer == kLastLayer)
        return {(i == kFirstCall ? "PUT cache/" : "GET cache/") + things + "." + std::to_string(i),
                SpanKind::kClient, 30e3 * pace};
    if (i < kFirstStatement) {
        const Role& asked = kRoles[calls[i - kFirstCall]];
        const bool message = asked.name == "notification";
        return {(message ? "publish " : "call ") + std::string(asked.name) +
                    (i == kFirstCall ? "" : "." + std::to_string(i - kFirstCall + 1)),
                message ? SpanKind::kProducer : SpanKind::kClient, 90e3};
    }
    if (i < kOwnWork)
        return {(i == kFirstStatement ? "SELECT " : "UPDATE ") + things, SpanKind::kClient,
                120e3 * pace};
    return {"render " + things, SpanKind::kInternal, 40e3 * pace};
}

}  // namespace

TraceModel::TraceModel(std::uint64_t seed) : random_(seed) {
    for (std::size_t s = 0; s < kServices; ++s) {
        Service& service = services_[s];
        service.name = kRoles[s].name;
        service.layer = kRoles[s].layer;
        // A tree, so that each service is reached, and a call across it.
        const std::size_t behind = kServices - 1 - s;
        const auto at_or_before_last = [&](std::size_t other) {
            return other < kServices ? other : s + (behind != 0 ? 1 + other % behind : 0);
        };
        service.calls = {at_or_before_last(2 * s + 2), at_or_before_last(2 * s + 3),
                         at_or_before_last(kServices + s * 7)};
        for (std::size_t i = 0; i < kOperationsOfService; ++i)
            service.operations[i] = operation_of(kRoles[s], service.calls, i);
    }
}

std::int64_t TraceModel::time_of(const Operation& operation) {
    double time = operation.own_time_ns * std::exp(kSigma * normal_(random_));
    if (chance(kOutliers)) time *= kOutlierFactor;
    return static_cast<std::int64_t>(std::min(time, 60e9)) + 1;
}

std::size_t TraceModel::begin(std::vector<ModelSpan>& spans, std::int32_t parent,
                              std::size_t service, std::size_t operation, std::int64_t start_ns) {
    ModelSpan span;
    span.parent = parent;
    span.service = static_cast<std::uint8_t>(service);
    span.operation = static_cast<std::uint8_t>(operation);
    span.start_ns = start_ns;
    spans.push_back(span);
    return spans.size() - 1;
}

TraceModel::Done TraceModel::end(ModelSpan& span, std::int64_t end_ns, bool failed) {
    span.end_ns = end_ns;
    span.failed = failed;
    if (span.operation < kFirstStatement)
        span.number = failed ? (chance(0.7) ? 500 : 503) : (chance(0.05) ? 404 : 200);
    else
        span.number = static_cast<std::int32_t>(std::exp(7 * uniform()));
    return {end_ns, failed};
}

TraceModel::Done TraceModel::call(std::vector<ModelSpan>& spans, std::int32_t parent,
                                  std::size_t service, std::size_t which, std::int64_t start_ns) {
    const Operation& operation = services_[service].operations[kFirstCall + which];
    const std::size_t at = begin(spans, parent, service, kFirstCall + which, start_ns);
    const std::int64_t way = time_of(operation) / 2 + 1;
    const Done served = serve(spans, static_cast<std::int32_t>(at), services_[service].calls[which],
                              start_ns + way);
    // Who publishes a message does not wait for what it causes.
    if (operation.kind == SpanKind::kProducer) return end(spans[at], start_ns + way, false);
    return end(spans[at], served.end_ns + way, served.failed && chance(kFailsWithStep));
}

TraceModel::Done TraceModel::step(std::vector<ModelSpan>& spans, std::int32_t parent,
                                  std::size_t service, std::int64_t start_ns) {
    const bool may_call = services_[service].layer < kLastLayer && spans.size() < spans_max_;
    if (may_call && chance(kCallsOfSteps))
        return call(spans, parent, service, random_() % services_[service].calls.size(), start_ns);
    // Those that call nobody ask a cache instead.
    const std::size_t first = services_[service].layer < kLastLayer ? kFirstStatement : kFirstCall;
    const std::size_t which = first + random_() % (kOperationsOfService - first);
    const std::size_t at = begin(spans, parent, service, which, start_ns);
    return end(spans[at], start_ns + time_of(services_[service].operations[which]), chance(kFails));
}

TraceModel::Done TraceModel::serve(std::vector<ModelSpan>& spans, std::int32_t parent,
                                   std::size_t service, std::int64_t start_ns) {
    // The first operations are asked for more often.
    const std::size_t which = std::min(random_() % kFirstCall, random_() % kFirstCall);
    const Operation& operation = services_[service].operations[which];
    const std::size_t at = begin(spans, parent, service, which, start_ns);
    Done done{start_ns + time_of(operation) / 2, chance(kFails)};
    const bool big = parent < 0 && spans_max_ > kTraceSpans;
    std::poisson_distribution<std::size_t> steps(big ? 120.0 : kSteps[services_[service].layer]);
    for (std::size_t left = steps(random_); left != 0 && spans.size() < spans_max_; --left) {
        const Done one = step(spans, static_cast<std::int32_t>(at), service,
                              done.end_ns + time_of(services_[service].operations[kOwnWork]) / 8);
        done.end_ns = one.end_ns;
        done.failed = done.failed || (one.failed && chance(kFailsWithStep));
    }
    return end(spans[at], done.end_ns + time_of(operation) / 2, done.failed);
}

void TraceModel::next(std::int64_t start_ns, ModelTrace& trace) {
    trace.spans.clear();
    // Zipf's law: the n-th of the users is the user of about one in n traces.
    trace.user = static_cast<std::uint32_t>(std::pow(double{kUsers}, uniform())) - 1;
    trace.region = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(random_() % (kRegions.size() + 2), kRegions.size() - 1));
    trace.request = random_();
    spans_max_ = chance(kBigTraces) ? kBigTraceSpans : kTraceSpans;
    (void)serve(trace.spans, -1, random_() % 2, start_ns);
}

}  // namespace spanring::generate
