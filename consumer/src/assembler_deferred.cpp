// Operations that are held back for a turn, because another thread's records that happened before
// may not have been drained yet.
#include <algorithm>
#include <limits>
#include <tuple>

#include "assembler_impl.hpp"

namespace spanring::consumer {
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

void Assembler::Impl::end_later(const Open& open, Deferred::What what, std::int64_t mono_ns) {
    const SpanKey key = open.key;
    detach_span(open).flags |= Open::kPendingEnd;
    defer(what, key, mono_ns);
}

bool Assembler::Impl::apply_details(Deferred& op) {
    details_held_ -= std::min(details_held_, op.records.size());
    Open* open = find(op.key);
    return open == nullptr || apply_deferred_details(*open, op);
}

bool Assembler::Impl::end_of(SpanKey key, Deferred::What what, std::int64_t mono_ns,
                             RowSink& sink) {
    Open* open = find(key);
    if (open == nullptr) {  // its begin was lost, or it was closed early
        if (what == Deferred::What::kEnd) count_late_end(key);
        return true;
    }
    Open ended = *open;
    if (ended.has(Open::kDetached)) {
        detached_.erase(key.value);
    } else {
        // Ended by another thread: on its own thread's stack it stays, as the parent of what that
        // thread begins, until the thread itself takes it off.
        open->entry = Open::Kind::kLost;
        open->details = kNoDetails;
        ++open_count_;
        stream_of(key.stream());
    }
    if (what == Deferred::What::kLostEnd) {
        ++counts.spans_end_lost;
        return finish(ended, 0, codec::RowFlag::kEndLost, sink);
    }
    return finish(ended, std::max<std::int64_t>(0, mono_ns - ended.start_mono_ns), 0, sink);
}

// Applies the details up to that time, and all of the spans that are `ending`, in the order of
// time; they leave ripe_ and fresh_.
bool Assembler::Impl::apply_details_until(std::int64_t mono_ns,
                                          const std::vector<SpanKey>& ending) {
    const auto is_later = [&](const Deferred& op) {
        return op.what != Deferred::What::kDetails ||
               (op.mono_ns > mono_ns && !std::binary_search(ending.begin(), ending.end(), op.key));
    };
    std::vector<Deferred*> due;
    std::vector<std::vector<Deferred>::iterator> rest;
    for (auto* ops : {&ripe_, &fresh_}) {
        // Stable: serials, by which an operation is found, go on rising.
        rest.push_back(std::stable_partition(ops->begin(), ops->end(), is_later));
        for (auto op = rest.back(); op != ops->end(); ++op) due.push_back(&*op);
    }
    std::sort(due.begin(), due.end(), [](const Deferred* a, const Deferred* b) {
        return std::tie(a->mono_ns, a->serial) < std::tie(b->mono_ns, b->serial);
    });
    bool good = true;
    for (Deferred* op : due) good = apply_details(*op) && good;
    ripe_.erase(rest[0], ripe_.end());
    fresh_.erase(rest[1], fresh_.end());
    return good;
}

// What happened before a ripe operation has been read by now. If that was itself held back, it is
// ripe, or fresh and of an earlier time; if it belongs to a span that ends, it comes before the end
// whatever the clock says.
bool Assembler::Impl::apply_ripe(RowSink& sink) {
    if (ripe_.empty()) return true;
    std::int64_t last_ns = std::numeric_limits<std::int64_t>::min();
    std::vector<SpanKey> ending;
    for (const Deferred& op : ripe_) {
        if (op.what == Deferred::What::kDetails) {
            last_ns = std::max(last_ns, op.mono_ns);
        } else {
            ending.push_back(op.key);
        }
    }
    std::sort(ending.begin(), ending.end());
    bool good = apply_details_until(last_ns, ending);
    for (const Deferred& op : ripe_) {
        good = end_of(op.key, op.what, op.mono_ns, sink) && good;
    }
    ripe_.clear();
    return good;
}

Result<void> Assembler::Impl::end_turn(bool complete, RowSink& sink) {
    bool good = true;
    if (complete) {
        good = apply_ripe(sink);
        ripe_.swap(fresh_);
    }
    return good ? Result<void>{} : corrupt();
}

void Assembler::Impl::close(RowSink& sink) {
    // A breach within does not matter any more: what can be told of the process is told.
    (void)apply_ripe(sink);
    ripe_.swap(fresh_);
    (void)apply_ripe(sink);
    for (Stream& stream : streams_) {
        for (Open& open : stream.stack) {
            if (open.entry != Open::Kind::kSpan) continue;
            ++counts.spans_unfinished;
            (void)finish(open, 0, codec::RowFlag::kUnfinished, sink);
        }
        stream.stack.clear();
        drop_import(stream);
    }
    detached_.for_each([&](Open& open) {
        ++counts.spans_unfinished;
        (void)finish(open, 0, codec::RowFlag::kUnfinished, sink);
    });
    detached_.clear();
    changed_detached_.clear();
    open_count_ = 0;
}

}  // namespace spanring::consumer
