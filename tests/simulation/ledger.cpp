#include "ledger.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>

namespace spanring::simulation {
namespace {

constexpr std::size_t kProblemsMax = 10;
/// The counter is known to some 10 ppm after 10 ms, and bent towards the clock by each anchor.
constexpr std::int64_t kCounterDoubtNs = 1'000'000;

std::int64_t doubt_of(std::int64_t ns) {
    return kCounterDoubtNs + ns / 100;
}

}  // namespace

void Ledger::add(const MadeUpProcess& process) {
    processes_.push_back(&process);
}

void Ledger::read_processes() {
    known_.clear();
    problems_.clear();
    for (const MadeUpProcess* process : processes_) {
        for (const auto& life : process->lives()) {
            for (const auto& [key, told] : life->spans) {
                known_[derive_span_id(life->span_key, SpanKey{key})] = {life.get(), &told};
            }
        }
    }
}

void Ledger::wrong(const Known& known, const std::string& what) {
    if (problems_.size() == kProblemsMax) return;
    const SpanKey key{known.told->key};
    problems_.push_back(known.life->file + " stream " + std::to_string(key.stream()) + " span " +
                        std::to_string(key.ordinal()) +
                        (known.told->is_async ? " (async): " : ": ") + what);
}

std::vector<std::string> Ledger::judge_stored(const std::string& database, const Excuses& excuses) {
    return judge(database, {}, excuses, false);
}

std::vector<std::string> Ledger::judge(const std::string& database,
                                       const std::vector<std::string>& retired,
                                       const Excuses& excuses, bool is_final) {
    read_processes();
    is_final_ = is_final;
    auto reader = store::Reader::open(database);
    if (!reader) {
        if (is_final) problems_.push_back("no database: " + reader.error().message);
        return problems_;
    }
    auto visited = (*reader)->visit({}, [&](const codec::Span& span) {
        judge_span(span, excuses);
        return problems_.size() < kProblemsMax;
    });
    if (!visited) problems_.push_back("a query fails: " + visited.error().message);
    if (!visited || problems_.size() == kProblemsMax) return problems_;
    judge_missing(retired, is_final);
    if (is_final && !excuses.windows_retired && forgiven_.empty()) judge_losses(**reader);
    return problems_;
}

void Ledger::judge_span(const codec::Span& span, const Excuses& excuses) {
    const auto at = known_.find(span.span_id);
    if (at == known_.end()) {
        problems_.push_back("span " + to_hex(span.span_id) + " was never told");
        return;
    }
    Known& known = at->second;
    const Told& told = *known.told;
    if (++known.times > 1) return wrong(known, "is stored twice");
    known.finished = !span.unfinished;
    if (told.begin_lost) return wrong(known, "is stored, though its begin was lost");
    if (span.name != MadeUpProcess::name(told.name)) wrong(known, "is called " + span.name);
    const SpanId parent =
        told.parent == 0 ? SpanId{} : derive_span_id(known.life->span_key, SpanKey{told.parent});
    if (span.parent_id != parent) wrong(known, "has another parent");
    if (span.trace_id !=
        derive_trace_id(known.life->host_key, known.life->instance.number(), SpanKey{told.root})) {
        wrong(known, "is in another trace");
    }
    judge_end(span, known, excuses);
    if (!known.life->counter || !excuses.counter_jumped) judge_details(span, known);
}

void Ledger::judge_end(const codec::Span& span, const Known& known, const Excuses& excuses) {
    const Told& told = *known.told;
    if (span.duration_ns && *span.duration_ns < 0) wrong(known, "has a negative duration");
    if (span.duration_ns && told.end != Told::End::kEnded) wrong(known, "has a made-up end");
    if (span.end_lost && told.end != Told::End::kLost) wrong(known, "is said to have lost its end");
    const bool exact_here = forgiven_lives_.count(known.life) == 0;
    if (is_final_ && exact_here && told.end == Told::End::kEnded && !span.duration_ns) {
        wrong(known, "was ended, and is stored without its end");
    }
    if (!span.duration_ns || (known.life->counter && excuses.counter_jumped)) return;
    const std::int64_t expected = told.ended_mono_ns - told.began_mono_ns;
    const std::int64_t error = std::llabs(*span.duration_ns - expected);
    if (error > (known.life->counter ? doubt_of(expected) : 0)) {
        wrong(known, "took " + std::to_string(expected) + " ns, is stored with " +
                         std::to_string(*span.duration_ns));
    }
    if (excuses.wall_clock_stepped || known.life->other_boot) return;
    const std::int64_t late = span.start_ns ? *span.start_ns - told.began_wall_ns : INT64_MIN;
    if (std::llabs(late) > 2 * kCounterDoubtNs) {
        wrong(known, "began " + std::to_string(late) + " ns from its time");
    }
}

void Ledger::judge_details(const codec::Span& span, const Known& known) {
    const auto& told = known.told->details;
    // What is still open, or was open when its process died, may have more in the ring.
    const bool all = (span.duration_ns || is_final_) && forgiven_lives_.count(known.life) == 0;
    if (all ? span.attributes.size() != told.size() : span.attributes.size() > told.size()) {
        return wrong(known, "has " + std::to_string(span.attributes.size()) + " of " +
                                std::to_string(told.size()) + " attributes");
    }
    for (std::size_t i = 0; i < span.attributes.size(); ++i) {
        if (span.attributes[i].first != MadeUpProcess::key(told[i].first) ||
            span.attributes[i].second != told[i].second) {
            return wrong(known, "has another attribute " + std::to_string(i));
        }
    }
    if (all ? span.events.size() != known.told->events : span.events.size() > known.told->events) {
        wrong(known, "has " + std::to_string(span.events.size()) + " events of " +
                         std::to_string(known.told->events));
    }
}

void Ledger::judge_missing(const std::vector<std::string>& retired, bool is_final) {
    std::optional<std::set<SpanId>> gone;
    const auto was_retired = [&](const SpanId& id) {
        if (!gone) {
            gone.emplace();
            for (const auto& folder : retired) gone->merge(stored_in(folder));
        }
        return gone->count(id) != 0;
    };
    for (const auto& [id, known] : known_) {
        const Told& told = *known.told;
        if (known.times != 0 && (known.finished || is_final)) continue;
        if (told.begin_lost || forgiven_.count(id) != 0) continue;
        if (forgiven_lives_.count(known.life) != 0) continue;
        const bool was_told = told.end == Told::End::kEnded && !told.shared &&
                              known.life->segment.is_open() &&
                              known.life->segment.is_stored(told.end_page, told.end_mark);
        if (!is_final && !was_told) continue;
        if (was_retired(id)) continue;
        wrong(known,
              is_final ? "is missing" : "is missing, and its producer was told it is stored");
    }
}

void Ledger::judge_losses(store::Reader& reader) {
    auto stats = reader.stats();
    if (!stats) {
        problems_.push_back("no statistics: " + stats.error().message);
        return;
    }
    for (const MadeUpProcess* process : processes_) {
        for (const auto& life : process->lives()) {
            const auto at = std::find_if(stats->losses.begin(), stats->losses.end(),
                                         [&](const auto& l) { return l.id == life->instance; });
            const bool found = at != stats->losses.end();
            if ((found ? at->spans : 0) != life->lost_spans ||
                (found ? at->ends : 0) != life->lost_ends ||
                (found ? at->details : 0) != life->lost_details) {
                problems_.push_back(life->file + ": lost " + std::to_string(life->lost_spans) +
                                    " spans, " + std::to_string(life->lost_ends) + " ends, " +
                                    std::to_string(life->lost_details) + " details; counted " +
                                    (found ? std::to_string(at->spans) + ", " +
                                                 std::to_string(at->ends) + ", " +
                                                 std::to_string(at->details)
                                           : "none"));
            }
        }
    }
}

std::set<SpanId> Ledger::stored_in(const std::string& database, std::uint64_t frame_max) {
    std::set<SpanId> found;
    auto reader = store::Reader::open(database);
    if (!reader) return found;
    (void)(*reader)->visit_frames_after(0, [&](const store::CommittedFrame& frame) {
        if (frame.number > frame_max) return false;
        for (const auto& batch : frame.batches) {
            for (std::size_t i = 0; i < batch.rows.size(); ++i) {
                if (auto span = batch.span(i)) found.insert(span->span_id);
            }
        }
        return true;
    });
    return found;
}

}  // namespace spanring::simulation
