// The oracle: whether what a database holds is what the processes' ledgers say. Threads: one.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "process.hpp"
#include "spanring/store/database.hpp"

namespace spanring::simulation {

/// What the world may have done to spans without anybody's fault.
struct Excuses {
    bool wall_clock_stepped{false};
    bool counter_jumped{false};
    bool windows_retired{false};
};

class Ledger {
public:
    void add(const MadeUpProcess& process);

    /// Each stored span was told, is there once, and says what was told. Returns what is wrong.
    [[nodiscard]] std::vector<std::string> judge_stored(const std::string& database,
                                                        const Excuses& excuses);
    /// As judge_stored, and every producer that was told so finds what it wrote. `retired`: folders
    /// of windows that were retired. `is_final`: all are over and drained: nothing else is missing.
    [[nodiscard]] std::vector<std::string> judge(const std::string& database,
                                                 const std::vector<std::string>& retired,
                                                 const Excuses& excuses, bool is_final);
    /// Ids of all spans in this database; of frames up to `frame_max` only.
    [[nodiscard]] static std::set<SpanId> stored_in(const std::string& database,
                                                    std::uint64_t frame_max = UINT64_MAX);
    /// A power loss took these, and everything that their processes said of them since.
    void forgive(const std::set<SpanId>& lost) { forgiven_.insert(lost.begin(), lost.end()); }
    /// All of this life may be missing, and open for ever.
    void forgive(const Life& life) { forgiven_lives_.insert(&life); }

private:
    struct Known {
        const Life* life{nullptr};
        const Told* told{nullptr};
        std::uint32_t times{0};
        bool finished{false};
    };
    void read_processes();
    void judge_span(const codec::Span& span, const Excuses& excuses);
    void judge_end(const codec::Span& span, const Known& known, const Excuses& excuses);
    void judge_details(const codec::Span& span, const Known& known);
    void judge_missing(const std::vector<std::string>& retired, bool is_final);
    void judge_losses(store::Reader& reader);
    void wrong(const Known& known, const std::string& what);

    std::vector<const MadeUpProcess*> processes_;
    std::map<SpanId, Known> known_;
    std::set<SpanId> forgiven_;
    std::set<const Life*> forgiven_lives_;
    std::vector<std::string> problems_;
    bool is_final_{false};
};

}  // namespace spanring::simulation
