// Operations that are held back for a turn, because another thread's records that happened before
// may not have been drained yet.
#include <algorithm>

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
