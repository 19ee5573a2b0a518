#include "generator.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "spanring/abi/record_layout.h"
#include "spanring/codec/details.hpp"

namespace spanring::generate {
namespace {

using codec::RowFlag;

// Spans of a trace on average: what a rate of spans is a rate of traces by.
constexpr double kSpansOfTrace = 14;

Key128 random_key(std::mt19937_64& random) {
    Key128 key;
    for (std::size_t at = 0; at < key.size(); at += 8) {
        const std::uint64_t bits = random();
        std::memcpy(key.data() + at, &bits, 8);
    }
    return key;
}

std::string text_of(const char* prefix, std::uint64_t number, int base) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string digits;
    do {
        digits += kDigits[number % static_cast<unsigned>(base)];
        number /= static_cast<unsigned>(base);
    } while (number != 0);
    std::ranges::reverse(digits);
    return prefix + digits;
}

}  // namespace

Generator::Generator(const GenerateOptions& options)
    : options_(options),
      model_(options.seed),
      random_(options.seed ^ 0x9e3779b97f4a7c15ull),
      now_ns_(options.start_ns) {
    const Key128 host_key = random_key(random_);
    for (std::size_t i = 0; i < kServices * kProcessesOfService; ++i) {
        Process process;
        process.instance = {{random_key(random_)}, host_key, random_key(random_)};
        processes_.push_back(process);
    }
}

std::vector<store::InstanceDelta> Generator::instances(bool ended) const {
    std::vector<store::InstanceDelta> deltas;
    for (std::size_t i = 0; i < processes_.size(); ++i) {
        store::InstanceDelta delta;
        delta.id = processes_[i].instance.id;
        delta.pid = static_cast<std::uint32_t>(1000 + i);
        delta.process_name = model_.services()[i / kProcessesOfService].name;
        delta.ended = ended;
        deltas.push_back(std::move(delta));
    }
    return deltas;
}

// The row's ids, as the consumer gives them: of a parent in another process it knows the id alone.
void Generator::give_ids(Pending& pending, const std::vector<Pending>& trace) {
    const bool root = pending.span.parent < 0;
    const Pending* parent = root ? nullptr : &trace[static_cast<std::size_t>(pending.span.parent)];
    const Pending& first = root ? pending : trace.front();
    codec::Row& row = pending.row;
    row.flags = RowFlag::kHasStart | RowFlag::kHasDuration;
    row.trace_flags = 1;  // sampled
    if (options_.foreign_ids) {
        row.trace_high = root ? random_() : first.row.trace_high;
        row.trace_low = root ? random_() : first.row.trace_low;
        row.span = random_() | 1;  // never 0
        row.parent = root ? 0 : parent->row.span;
        return;
    }
    Process& process = processes_[pending.process];
    // A process answers for a trace on one of its threads.
    const auto thread = static_cast<std::uint32_t>(pending.request % kThreadsOfProcess);
    row.flags |= RowFlag::kNativeTrace | RowFlag::kNativeSpan;
    row.span = SpanKey::of(thread, ++process.ordinals[thread]).value;
    row.trace_high = root ? process.instance.id.number() : first.row.trace_high;
    row.trace_low = root ? row.span : first.row.trace_low;
    if (root || parent->process == pending.process) {
        row.flags |= RowFlag::kNativeParent;
        row.parent = root ? 0 : parent->row.span;
    } else {
        const SpanId id = derive_span_id(processes_[parent->process].instance.span_key,
                                         SpanKey{parent->row.span});
        std::memcpy(&row.parent, id.bytes.data(), sizeof row.parent);
    }
}

void Generator::make_trace() {
    model_.next(options_.start_ns + static_cast<std::int64_t>(next_start_ns_), trace_);
    std::exponential_distribution<double> gap(options_.spans_per_second / kSpansOfTrace / 1e9);
    next_start_ns_ += gap(random_);
    ++traces_;
    // A cut trace lacks those that began last.
    const std::uint64_t left = options_.spans - made_;
    if (trace_.spans.size() > left) trace_.spans.resize(left);
    trace_rows_.clear();
    for (const ModelSpan& span : trace_.spans) {
        Pending pending;
        pending.span = span;
        pending.order = made_++;
        const auto which = trace_.request % kProcessesOfService;
        pending.process = static_cast<std::uint32_t>(span.service * kProcessesOfService + which);
        pending.user = trace_.user;
        pending.region = trace_.region;
        pending.request = trace_.request;
        give_ids(pending, trace_rows_);
        trace_rows_.push_back(pending);
        pending_.push(pending);
    }
}

Generator::Names Generator::intern(codec::Batch& batch) const {
    Names names;
    for (std::size_t s = 0; s < kServices; ++s) {
        const Service& service = model_.services()[s];
        for (std::size_t o = 0; o < kOperationsOfService; ++o)
            names.operations[s][o] = batch.intern(service.operations[o].name);
        for (std::size_t p = 0; p < kProcessesOfService; ++p) {
            const std::size_t i = s * kProcessesOfService + p;
            std::vector<std::byte> records;
            codec::DetailWriter writer(records);
            const auto text = [&](const char* key, std::string value) {
                writer.attribute(batch.intern(key), std::move(value), 0);
            };
            text("service.name", std::string(service.name));
            text("service.instance.id", std::string(service.name) + "-" + std::to_string(p));
            text("host.name", "node-" + std::to_string(i % 8));
            names.resources[i] = batch.intern_resource(records);
            if (!options_.foreign_ids)
                names.instances[i] = batch.intern_instance(processes_[i].instance);
        }
    }
    names.status_code = batch.intern("http.response.status_code");
    names.rows = batch.intern("db.response.returned_rows");
    names.cached = batch.intern("cache.entries");
    names.user = batch.intern("user.id");
    names.region = batch.intern("cloud.region");
    names.request = batch.intern("request.id");
    return names;
}

void Generator::put(const Pending& pending, const Names& names, codec::Batch& batch) {
    const ModelSpan& span = pending.span;
    const Operation& operation = model_.services()[span.service].operations[span.operation];
    codec::Row row = pending.row;
    row.start_ns = span.start_ns;
    row.duration_ns = span.end_ns - span.start_ns;
    row.name = names.operations[span.service][span.operation];
    row.resource = names.resources[pending.process];
    row.instance = names.instances[pending.process];
    row.kind = static_cast<std::uint8_t>(operation.kind);
    row.details_offset = batch.details.size();
    codec::DetailWriter writer(batch.details);
    if (span.failed) {
        row.status = SPANRING_STATUS_ERROR;
        writer.status(codec::StatusCode::kError,
                      span.number == 503 ? "upstream did not answer" : "internal error");
    }
    const codec::StringId number = span.operation < 7    ? names.status_code
                                   : span.operation == 9 ? names.cached
                                                         : names.rows;
    writer.attribute(number, std::int64_t{span.number}, SPANRING_TARGET_SPAN);
    writer.attribute(names.user, text_of("u-", pending.user, 10), SPANRING_TARGET_SPAN);
    writer.attribute(names.region, std::string(kRegions[pending.region]), SPANRING_TARGET_SPAN);
    writer.attribute(names.request, text_of("", pending.request, 16), SPANRING_TARGET_SPAN);
    row.details_bytes = static_cast<std::uint32_t>(batch.details.size() - row.details_offset);
    batch.rows.push_back(row);
}

bool Generator::fill(codec::Batch& batch) {
    const Names names = intern(batch);
    while (given_ != options_.spans && batch.rows.size() != codec::kBatchSpansMax) {
        // Whatever begins later ends later.
        const std::int64_t until = options_.start_ns + static_cast<std::int64_t>(next_start_ns_);
        if (made_ < options_.spans && (pending_.empty() || pending_.top().span.end_ns > until)) {
            make_trace();
            continue;
        }
        put(pending_.top(), names, batch);
        now_ns_ = std::max(now_ns_, pending_.top().span.end_ns);
        pending_.pop();
        ++given_;
    }
    return given_ != options_.spans;
}

}  // namespace spanring::generate
