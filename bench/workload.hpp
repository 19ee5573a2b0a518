// Pages of records as instrumented threads would have written them, without threads or clocks: what
// the offline benchmarks and the gate on instruction counts feed to the consumer. The same seed
// gives the same bytes.
//
// tight: one operation in a loop. mix: the traces of hipster_mix.hpp with ids minted natively, 16
// of them in turns on each stream: what one process does for a trace stands together, below a
// context that was attached for it, as in a server's worker thread. Threads: one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "mix_traces.hpp"
#include "spanring/base/ids.hpp"
#include "spanring/consumer/assembler.hpp"

namespace spanring::bench {

struct WorkloadOptions {
    bool mix{false};
    std::uint32_t streams{4};
    std::uint32_t integers{0};  ///< attributes of each span
    std::uint32_t texts{0};     ///< attributes of 13 characters of each span
    std::uint64_t seed{1};
};

class Workload final : public consumer::StringSource {
public:
    static constexpr std::size_t kTracesAtOnce = 16;
    static constexpr std::size_t kPageBytes = 8192;

    explicit Workload(const WorkloadOptions& options);

    /// Writes the next page of the next stream. The records are valid until the next call.
    consumer::PageBytes next_page();
    /// In the pages so far.
    [[nodiscard]] std::uint64_t spans() const noexcept { return spans_; }
    std::optional<std::string_view> string(std::uint32_t number) override;

private:
    struct Active {
        const MixTrace* trace{nullptr};
        std::size_t next_call{0};
        std::uint64_t root{0};
        std::vector<std::vector<std::uint64_t>> keys;  ///< by call and span
    };
    struct Stream {
        std::uint32_t number{0};
        std::uint64_t sequence{0};
        std::uint64_t next_ordinal{1};
        std::uint64_t now{0};
        std::array<Active, kTracesAtOnce> active;
    };

    void put(std::uint64_t word) { page_.push_back(word); }
    void put_timed(std::uint32_t kind, std::uint32_t id, const Stream& stream);
    void put_attributes();
    void tight_span(Stream& stream);
    void call(Stream& stream, Active& active);
    void fill(Stream& stream);
    std::int64_t duration_of(std::int32_t operation);
    std::uint64_t up_to(std::uint64_t bound) { return random_() % bound; }

    WorkloadOptions options_;
    std::mt19937_64 random_;
    std::vector<MixTrace> traces_;
    std::vector<std::string> strings_;
    std::uint32_t keys_from_{0};
    std::vector<Stream> streams_;
    std::size_t next_stream_{0};
    std::uint64_t base_{0};
    std::uint64_t spans_{0};
    std::vector<std::uint64_t> page_;
};

}  // namespace spanring::bench
