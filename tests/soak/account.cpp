#include "account.hpp"

#include <algorithm>

namespace spanring::soak {
namespace {

constexpr std::size_t kProblemsMax = 20;

/// Spans end inside out: the odd one before the even one around it.
bool has_ended(std::uint64_t number, std::uint64_t ended) {
    return ended >= (number % 2 == 1 ? number : number + 2);
}
bool is_ending(std::uint64_t number, std::uint64_t ended) {
    return ended + 1 >= (number % 2 == 1 ? number : number + 2);
}

}  // namespace

void Account::complain(const std::string& line) {
    if (problems_.size() < kProblemsMax) problems_.push_back(line);
}

void Account::take(const codec::Span& span, bool is_held) {
    const std::uint64_t life = number_in(span.trace_id.bytes.data());
    const auto thread = static_cast<unsigned>(number_in(span.trace_id.bytes.data() + 8));
    const std::uint64_t number = number_in(span.parent_id.bytes.data());
    const std::string name = "life " + std::to_string(life) + ", thread " + std::to_string(thread) +
                             ", span " + std::to_string(number);
    if (life >= ledger_.lives || thread >= kThreads) return complain(name + ": is none of ours");
    Thread& of = threads_[life * kThreads + thread];
    if (number >= ledger_.life[life].threads[thread].starting) {
        return complain(name + ": was never begun");
    }
    if (is_held && number < of.settled) return;
    if (number < of.settled) return complain(name + ": came after its round");
    if (of.seen.size() <= number - of.settled) of.seen.resize(number - of.settled + 1);
    Seen& seen = of.seen[number - of.settled];
    if (is_held) {
        // What is open at the end of what is held goes on in the database.
        if (seen.stored || span.unfinished) return;
        ++totals_.retired;
    }
    if (seen.stored) complain(name + ": is stored twice");
    seen = {true, span.duration_ns.has_value()};
    ++totals_.stored;
    if (span.name != (number % 2 == 1 ? "inner" : "outer")) complain(name + ": is " + span.name);
    if (seen.ended && !is_ending(number, ledger_.life[life].threads[thread].ended)) {
        complain(name + ": has an end that was never written");
    }
}

void Account::settle_thread(std::uint64_t life, unsigned number_of_thread) {
    const ThreadLedger& at = ledger_.life[life].threads[number_of_thread];
    Thread& thread = threads_[life * kThreads + number_of_thread];
    const std::uint64_t starting = at.starting;
    const std::uint64_t started = at.started;
    const std::uint64_t ended = at.ended;
    thread.seen.resize(starting - thread.settled);
    for (std::uint64_t number = thread.settled; number < starting; ++number) {
        const Seen& seen = thread.seen[number - thread.settled];
        const bool returned = number < started;
        totals_.spans += returned ? 1 : 0;
        totals_.under_way += returned && has_ended(number, ended) ? 0 : 1;
        if (!seen.stored) {
            (returned ? totals_.missing : may_miss_spans_) += 1;
            missing_[ledger_.life[life].pid] += 1;
        } else if (!seen.ended && has_ended(number, ended)) {
            ++totals_.endless;
        } else if (!seen.ended && is_ending(number, ended)) {
            ++may_miss_ends_;
        }
    }
    thread.settled = starting;
    thread.seen.clear();
}

void Account::compare_losses() {
    std::uint64_t spans = 0;
    std::uint64_t ends = 0;
    std::map<std::uint32_t, std::uint64_t> by_pid;
    for (const auto& [id, losses] : losses_) {
        spans += losses.spans;
        ends += losses.ends;
        by_pid[losses.pid] += losses.spans;
    }
    const auto compare = [&](const char* what, std::uint64_t missing, std::uint64_t maybe,
                             std::uint64_t counted) {
        if (counted >= missing && counted <= missing + maybe) return;
        for (const auto& [pid, of] : missing_) {
            if (of != by_pid[pid]) {
                complain("pid " + std::to_string(pid) + ": " + std::to_string(of) +
                         " spans are missing, " + std::to_string(by_pid[pid]) + " are counted");
            }
        }
        complain(std::to_string(missing) + " " + what + " are missing (" + std::to_string(maybe) +
                 " more may be), " + std::to_string(counted) + " are counted as lost");
    };
    compare("spans", totals_.missing, may_miss_spans_, spans);
    compare("ends", totals_.endless, may_miss_ends_, ends);
}

void Account::visit(const std::string& database, std::int64_t since_ns, bool is_held) {
    auto reader = store::Reader::open(database);
    if (!reader) return complain(reader.error().message);
    store::SpanFilter filter;
    filter.since_ns = since_ns;
    const auto visited = (*reader)->visit(filter, [&](const codec::Span& span) {
        take(span, is_held);
        return true;
    });
    if (!visited) complain(visited.error().message);
    if (is_held) return;
    for (const auto& warning : (*reader)->warnings()) complain(warning);
    if (const auto stats = (*reader)->stats()) {
        for (const auto& losses : stats->losses) losses_[losses.id] = losses;
    } else {
        complain(stats.error().message);
    }
}

std::vector<std::string> Account::settle(const std::string& database, const std::string& held,
                                         std::int64_t since_ns) {
    problems_.clear();
    visit(database, since_ns, false);
    if (!held.empty()) visit(held, since_ns, true);
    for (std::uint64_t life = 0; life < ledger_.lives; ++life) {
        for (unsigned thread = 0; thread < kThreads; ++thread) {
            settle_thread(life, thread);
        }
    }
    compare_losses();
    return std::move(problems_);
}

}  // namespace spanring::soak
