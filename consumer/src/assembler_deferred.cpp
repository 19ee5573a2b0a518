// Operations that are held back for a turn, because another thread's records that happened before
// may not have been drained yet; and traces that only another span can tell.
#include <algorithm>

#include "assembler_impl.hpp"

namespace spanring::consumer {
namespace {

/// A chain of contexts whose traces are all unknown yet; each is a hand-over between threads within
/// one turn.
constexpr int kResolveStepsMax = 8;

}  // namespace

Deferred& Assembler::Impl::defer(Deferred::What what, SpanKey key, std::int64_t mono_ns) {
    Deferred op;
    op.key = key;
    op.what = what;
    op.mono_ns = mono_ns;
    op.serial = next_serial_++;
    fresh_.push_back(std::move(op));
    return fresh_.back();
}

Open& Assembler::Impl::detach_span(const Open& open) {
    Open& moved = detached_.insert(open.key.value, open);
    moved.flags |= Open::kDetached | Open::kDirty;
    changed_detached_.push_back(open.key);
    return moved;
}

bool Assembler::Impl::foreign_of(SpanKey key, TraceRef* trace) {
    if (const Open* open = find(key)) {
        *trace = open->trace;
        if (trace->trace_state == 0 && open->has(Open::kStateInside)) {
            trace->trace_state = trace_state_number(pool_[open->details]);
        }
        return true;
    }
    if (const TraceRef* known = foreign_.find(key.value); key.value != 0 && known != nullptr) {
        *trace = *known;
        return true;
    }
    return false;
}

bool Assembler::Impl::resolve(TraceRef& trace) {
    for (int step = 0; trace.unresolved && step < kResolveStepsMax; ++step) {
        TraceRef found;
        if (!foreign_of(SpanKey{trace.low}, &found)) return false;
        if (found.unresolved && found.low == trace.low) return false;
        trace = found;
    }
    return !trace.unresolved;
}

bool Assembler::Impl::resolve(Open& open) {
    if (!open.trace.unresolved) return true;
    if (!resolve(open.trace)) return false;
    // The flags of the remote parent came with the trace, unless the span has its own.
    if (open.w3c_flags == 0) open.w3c_flags = open.trace.w3c_flags;
    return true;
}

void Assembler::Impl::settle(Open& open) {
    if (!resolve(open)) settle(open.trace);
}

// The last word on a trace: what nobody can tell any more is a trace that begins with that span.
void Assembler::Impl::settle(TraceRef& trace) {
    if (!trace.unresolved || resolve(trace)) return;
    trace.unresolved = false;
    trace.high = instance_.id.number();
    trace.row_flags = codec::RowFlag::kNativeTrace;
}

// Whether the row cannot be written yet, because it needs the trace of a span not seen so far.
bool Assembler::Impl::must_wait(Open& open) {
    if (!resolve(open)) return true;
    if (!open.has(Open::kForeignLink)) return false;
    const auto& details = pool_[open.details];
    const std::byte* at = details.data();
    const std::byte* const end_at = at + details.size();
    Record r;
    while (at != end_at && read_record(at, end_at, &r)) {
        at += r.bytes;
        if (r.kind != SPANRING_REC_LINK_LOCAL || r.word(1) != 0) continue;
        TraceRef trace{.low = r.word(0), .unresolved = true};
        if (!resolve(trace)) return true;
    }
    return false;
}

void Assembler::Impl::remember_foreign(const Open& open) {
    if ((open.trace.row_flags & codec::RowFlag::kNativeTrace) != 0) return;
    TraceRef trace = open.trace;
    if (trace.trace_state == 0 && open.has(Open::kStateInside)) {
        trace.trace_state = trace_state_number(pool_[open.details]);
    }
    if (foreign_.find(open.key.value) == nullptr) foreign_order_.push_back(open.key);
    foreign_.insert(open.key.value, trace);
    if (foreign_order_.size() > limits_.foreign_traces_max) {
        foreign_.erase(foreign_order_.front().value);
        foreign_order_.pop_front();
    }
}

bool Assembler::Impl::apply(Deferred& op, RowSink& sink) {
    Open* open = find(op.key);
    if (op.what == Deferred::What::kDetails) {
        details_held_ -= std::min(details_held_, op.records.size());
        return open == nullptr || apply_deferred_details(*open, op);
    }
    if (open == nullptr) return true;  // its begin was lost
    Open ended = *open;
    if (ended.has(Open::kDetached)) {
        detached_.erase(op.key.value);
    } else {
        // Ended by another thread: on its own thread's stack it stays, as the parent of what that
        // thread begins, until the thread itself takes it off.
        open->entry = Open::Kind::kLost;
        open->details = kNoDetails;
        ++open_count_;
        stream_of(op.key.stream());
    }
    settle(ended);
    remember_foreign(ended);
    if (op.what == Deferred::What::kLostEnd) {
        ++counts.spans_end_lost;
        return finish(ended, 0, codec::RowFlag::kEndLost, sink);
    }
    return finish(ended, std::max<std::int64_t>(0, op.mono_ns - ended.start_mono_ns), 0, sink);
}

bool Assembler::Impl::apply_all(std::vector<Deferred>& ops, RowSink& sink) {
    bool good = true;
    for (auto& op : ops) {
        if (op.what == Deferred::What::kDetails) good = apply(op, sink) && good;
    }
    for (auto& op : ops) {
        if (op.what != Deferred::What::kDetails) good = apply(op, sink) && good;
    }
    ops.clear();
    return good;
}

Result<void> Assembler::Impl::end_turn(bool complete, RowSink& sink) {
    bool good = true;
    if (complete || ripe_.size() + fresh_.size() > limits_.deferred_max) {
        good = apply_all(ripe_, sink);
        ripe_.swap(fresh_);
    }
    return good ? Result<void>{} : corrupt();
}

void Assembler::Impl::close(RowSink& sink) {
    // A breach within does not matter any more: what can be told of the process is told.
    (void)apply_all(ripe_, sink);
    (void)apply_all(fresh_, sink);
    for (Stream& stream : streams_) {
        for (Open& open : stream.stack) {
            if (open.entry != Open::Kind::kSpan) continue;
            ++counts.spans_unfinished;
            settle(open);
            (void)finish(open, 0, codec::RowFlag::kUnfinished, sink);
        }
        stream.stack.clear();
        drop_import(stream);
    }
    detached_.for_each([&](Open& open) {
        ++counts.spans_unfinished;
        settle(open);
        (void)finish(open, 0, codec::RowFlag::kUnfinished, sink);
    });
    detached_.clear();
    changed_detached_.clear();
    open_count_ = 0;
}

}  // namespace spanring::consumer
