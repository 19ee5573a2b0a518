// The assembler's inside. Split over files by subject: assembler.cpp (records of structure),
// assembler_plain.cpp (the common case of it),
// assembler_stack.cpp (snapshots, look-up), assembler_details.cpp (details, items, continuation),
// assembler_deferred.cpp (operations held back), assembler_limits.cpp (too much open),
// assembler_rows.cpp (rows of batches), assembler_state.cpp and assembler_restore.cpp (carry-over
// between consumers).
#pragma once

#include <string>
#include <unordered_map>

#include "assembler_types.hpp"
#include "flat_map.hpp"
#include "spanring/consumer/assembler.hpp"

namespace spanring::consumer {

class BytesReader;

/// The inline strings that came last before a record, as numbers of a batch.
struct InlineNames {
    codec::StringId name{0};
    codec::StringId version{0};
};

class Assembler::Impl {
public:
    Impl(const codec::Instance& instance, const TickClock& clock, StringSource& strings,
         const Limits& limits);

    // assembler.cpp
    Result<void> feed(const PageBytes& page, RowSink& sink);
    void set_resource(std::span<const std::byte> records);

    // assembler_deferred.cpp
    Result<void> end_turn(bool complete, RowSink& sink);
    void close(RowSink& sink);
    [[nodiscard]] bool has_deferred() const noexcept { return !fresh_.empty() || !ripe_.empty(); }

    // assembler_limits.cpp
    [[nodiscard]] std::size_t held_bytes() const noexcept;
    void shrink_to(std::size_t bytes, RowSink& sink);

    // assembler_state.cpp
    void export_streams(bool whole, std::vector<store::StreamState>& out);
    Result<void> export_open(bool whole, RowSink& sink);
    void export_deferred(std::vector<std::byte>& out) const;
    Result<void> restore(const std::vector<store::StreamState>& streams, const codec::Batch& open,
                         std::span<const std::size_t> row_indices,
                         std::span<const std::byte> deferred);

    [[nodiscard]] std::uint64_t next_sequence(std::uint32_t stream) const noexcept {
        return stream < streams_.size() && streams_[stream].started ? streams_[stream].sequence : 0;
    }
    [[nodiscard]] std::size_t open_spans() const noexcept { return open_count_; }

    AssemblerCounts counts;

private:
    struct Page;  // what is known while one run of bytes is read

    // assembler.cpp: false = malformed, `breach_` says why
    bool record(Page& page, const Record& r);
    bool structure(Page& page, const Record& r);
    bool begin(Page& page, const Record& r, bool async);
    bool end(Page& page, const Record& r, bool shared);
    [[nodiscard]] static std::size_t index_to_end(const Stream& stream,
                                                  std::uint32_t low_ordinal) noexcept;
    bool attach(Stream& stream, const Record& r);
    bool detach(Stream& stream, const Record& r);
    bool event(Page& page, const Record& r);
    bool import_begin(Page& page, const Record& r);
    bool import_end(Page& page);
    bool name(Stream& stream, const Record& r);
    void drop_import(Stream& stream);
    [[nodiscard]] bool room_on_stack(const Stream& stream) const noexcept {
        return stream.stack.size() < limits_.stack_depth_max &&
               open_count_ - detached_.count() < limits_.stack_entries_max;
    }
    bool push(Stream& stream, const Open& open);
    bool begin_inline_name(Stream& stream, Open& open);
    [[nodiscard]] std::int64_t mono_at(Page& page, std::uint32_t delta) const noexcept;
    void make_child(Open& open, const Open* top, SpanKey key);
    void set_base(Page& page, std::uint64_t ticks) const noexcept;
    [[nodiscard]] Open child_of(const Stream& stream, SpanKey key);
    Open context_of(const Stream& stream, const Record& r);
    bool malformed(const char* why) noexcept {
        breach_ = why;
        return false;
    }

    // assembler_plain.cpp
    const std::byte* plain(Page& page, const std::byte* at, const std::byte* end_at);
    const std::byte* leaves(Page& page, const std::byte* at, const std::byte* end_at);
    bool plain_begin(Page& page, std::uint64_t head);
    bool plain_end(Page& page, std::uint64_t head);
    std::size_t plain_detail(Page& page, std::uint64_t head, const std::byte* at,
                             const std::byte* end_at);
    bool plain_translate(std::span<const std::byte> records, codec::Batch& batch) const;

    // assembler_stack.cpp
    bool begin_page(Page& page, const PageBytes& bytes, const std::byte*& at,
                    const std::byte* end_at);
    bool snapshot(Page& page, const Record& first, const std::byte*& at, const std::byte* end_at);
    [[nodiscard]] TraceRef trace_of_entry(const Record& r) const noexcept;
    [[nodiscard]] static Open unknown_context(const Stream& stream);
    bool named_by_snapshot(Page& page, const Record& r, std::size_t& old_at,
                           std::vector<Open>& old);
    void drop_unnamed(const std::vector<Open>& old, std::size_t from, std::size_t to);
    [[nodiscard]] Open* find(SpanKey key) noexcept;
    [[nodiscard]] static std::size_t find_on_stack(const std::vector<Open>& stack,
                                                   std::uint64_t ordinal,
                                                   std::size_t from = 0) noexcept;

    // assembler_details.cpp
    bool detail(Page& page, const Record& r);
    bool detail_of_item(Stream& stream, const Record& r);
    bool detail_of_resource(Stream& stream, const Record& r);
    bool apply_detail(Open& open, const Record& r, Stream* stream, Place where);
    bool apply_deferred_details(Open& open, const Deferred& op);
    bool continuation(Stream& stream, const Record& r);
    bool append(Open& open, const Record& r, Stream* stream, Place where);
    bool append_inline_name(std::vector<std::byte>& out, Stream& stream, std::uint32_t id);
    void insert(Place place, std::vector<std::byte>& buffer, std::uint32_t at,
                const std::vector<std::byte>& bytes);
    [[nodiscard]] std::vector<std::byte>* buffer_of(Stream& stream, const Place& place,
                                                    Open** open);
    [[nodiscard]] std::vector<std::byte>& details_of(Open& open);
    bool room_for(Open* open, std::size_t held, std::size_t more);
    void touch(Open& open);

    // assembler_deferred.cpp
    Deferred& defer(Deferred::What what, SpanKey key, std::int64_t mono_ns);
    bool defer_detail(Stream& stream, const Record& r, SpanKey key);
    bool apply_details(Deferred& op);
    bool apply_details_until(std::int64_t mono_ns, const std::vector<SpanKey>& ending);
    bool apply_ripe(RowSink& sink);
    bool end_of(SpanKey key, Deferred::What what, std::int64_t mono_ns, RowSink& sink);
    Open& detach_span(const Open& open);
    void end_later(const Open& open, Deferred::What what, std::int64_t mono_ns);

    // assembler_limits.cpp
    struct Age {
        std::int64_t start_mono_ns;
        SpanKey key;
        bool operator<(const Age& other) const noexcept {
            return start_mono_ns != other.start_mono_ns ? start_mono_ns < other.start_mono_ns
                                                        : key.value < other.key.value;
        }
    };
    bool keep_to_limits(RowSink& sink);
    void close_oldest_detached(std::size_t count, RowSink& sink);
    void close_oldest_details(std::size_t bytes, RowSink& sink);
    void close_early(SpanKey key, RowSink& sink);
    void count_late_end(SpanKey key) noexcept;

    // assembler_rows.cpp
    bool finish(Open& open, std::int64_t duration_ns, std::uint32_t row_flags, RowSink& sink);
    bool emit(const Open& open, std::int64_t duration_ns, std::uint32_t row_flags, RowSink& sink,
              NameMap& names, std::size_t details_from);
    bool emit_import(Import& import, RowSink& sink);
    bool translate(const Open& open, std::span<const std::byte> records, codec::Batch& batch,
                   NameMap& names, codec::Row& row);
    bool translate_one(const Open& open, const Record& r, const InlineNames& inline_names,
                       codec::Batch& batch, NameMap& names, codec::Row& row);
    bool put_resource(std::span<const std::byte> records, codec::Batch& batch, NameMap& names,
                      codec::ResourceId* id);
    bool fill_names(const Open& open, codec::Batch& batch, NameMap& names, codec::Row& row);
    void put_trace_state(const Open& open, codec::Batch& batch);
    void put_link(const Record& r, codec::Batch& batch);
    void free_details(Open& open);

    // assembler_state.cpp
    void write_stream(const Stream& stream, std::vector<std::byte>& out) const;
    bool read_stream(std::uint32_t number, const store::StreamState& state, FlatMap<Open>& rows);
    void write_entry(const Open& open, std::vector<std::byte>& out) const;
    bool read_entry(BytesReader& in, std::uint32_t number, Open& open, FlatMap<Open>& rows);
    Open open_of_row(const codec::Batch& batch, const codec::Row& row);
    void put_scope(Open& open, std::pair<codec::StringId, codec::StringId> scope,
                   const codec::Batch& batch);
    TraceRef read_trace(BytesReader& in);
    bool read_import(BytesReader& in, Stream& stream);
    void settle_places(Stream& stream);
    bool read_deferred(std::span<const std::byte> bytes);
    bool export_one(Open& open, bool whole, RowSink& sink);
    std::uint32_t trace_state_number(std::span<const std::byte> text);

    Stream& stream_of(std::uint32_t number);
    Result<void> corrupt() const;

    const codec::Instance instance_;
    const TickClock& clock_;
    StringSource& strings_;
    const Limits limits_;
    const char* breach_{""};

    std::vector<Stream> streams_;
    std::vector<std::uint32_t> changed_streams_;
    FlatMap<Open> detached_;
    std::vector<SpanKey> changed_detached_;
    std::size_t open_count_{0};
    std::size_t details_held_{0};
    DetailPool pool_;

    std::vector<Deferred> fresh_;  ///< seen in this turn
    std::vector<Deferred> ripe_;   ///< seen in the turn before: due at the end of this one
    std::uint64_t next_serial_{1};

    std::vector<std::string> trace_states_;
    std::unordered_map<std::string, std::uint32_t> trace_state_numbers_;

    std::vector<std::byte> resource_;
    NameMap names_;       ///< of the finished rows' batch
    NameMap open_names_;  ///< of the open rows' batch
    std::vector<std::byte> scratch_;
    std::vector<Open> old_stack_;  ///< while a snapshot is applied
};

struct Assembler::Impl::Page {
    Stream& stream;
    std::uint32_t number;
    RowSink& sink;
    TickClock::Piece piece{};
    TickClock::Near near{};  ///< of the stream's base
};

inline std::int64_t Assembler::Impl::mono_at(Page& page, std::uint32_t delta) const noexcept {
    if (delta < page.near.end) return page.near.mono_at(delta);
    const std::uint64_t ticks = page.stream.base_ticks + delta;
    if (!page.piece.holds(ticks)) page.piece = clock_.piece_at(ticks);
    return page.piece.mono_at(ticks);
}

}  // namespace spanring::consumer
