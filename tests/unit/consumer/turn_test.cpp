// What a turn is made of: batches that any frame can hold, and what happens to one that none can.
#include <map>

#include "in_turn.hpp"
#include "pipeline.hpp"
#include "rig.hpp"

namespace spanring::consumer::testing {
namespace {

codec::Row row_with(codec::Batch& batch, std::string_view name) {
    codec::Row row;
    row.span = batch.rows.size() + 1;
    row.name = batch.intern(name);
    row.details_offset = batch.details.size();
    return row;
}

TEST(RowSink, batches_are_cut_by_what_they_hold_and_not_by_rows_alone) {
    constexpr std::size_t kOne = 1u << 20;
    RowSink sink;
    for (int i = 0; i < 10; ++i) {  // details
        codec::Batch& batch = sink.batch();
        batch.rows.push_back(row_with(batch, "n"));
        batch.details.resize(batch.details.size() + kOne);
    }
    EXPECT_GE(sink.bytes(), 10 * kOne);
    for (int i = 0; i < 10; ++i) {  // names
        codec::Batch& batch = sink.batch();
        batch.rows.push_back(row_with(batch, std::string(kOne, static_cast<char>('a' + i))));
    }
    for (int i = 0; i < 10; ++i) {  // resources
        codec::Batch& batch = sink.batch();
        batch.rows.push_back(row_with(batch, "n"));
        const std::vector<std::byte> resource(kOne, static_cast<std::byte>(i));
        batch.rows.back().resource = batch.intern_resource(resource);
    }
    EXPECT_GE(sink.bytes(), 30 * kOne);
    const auto batches = sink.take();
    EXPECT_EQ(batches.size(), 4u);
    for (const auto& batch : batches) EXPECT_LE(batch->content_bytes(), 9 * kOne);
    EXPECT_EQ(sink.bytes(), 0u);
}

TEST(RowSink, rows_behind_a_mark_are_forgotten_over_several_batches) {
    RowSink sink;
    sink.set_rows_max(3);
    const auto add = [&](int count) {
        for (int i = 0; i < count; ++i) {
            codec::Batch& batch = sink.batch();
            batch.rows.push_back(row_with(batch, "n"));
        }
    };
    add(4);
    const auto mark = sink.mark();
    const std::uint64_t epoch = sink.epoch();
    add(7);
    sink.rewind(mark);
    EXPECT_NE(sink.epoch(), epoch) << "what was interned stands in other batches";
    add(1);
    std::size_t rows = 0;
    for (const auto& batch : sink.take()) {
        rows += batch->rows.size();
        EXPECT_TRUE(codec::encode(*batch).ok());
    }
    EXPECT_EQ(rows, 5u);
}

/// One good batch, one whose details do not parse, and one of open spans that is as bad.
void fill(Turn& turn) {
    for (const bool good : {true, false}) {
        auto batch = std::make_unique<codec::Batch>();
        batch->rows.push_back(row_with(*batch, "n"));
        batch->rows.push_back(row_with(*batch, "m"));
        if (!good) {
            batch->details.resize(8, std::byte{0xff});
            batch->rows.back().details_bytes = 8;
        }
        turn.batches.push_back(std::move(batch));
    }
    turn.open_spans.push_back(std::make_unique<codec::Batch>(*turn.batches.back()));
}

TEST(Turn, what_cannot_be_encoded_is_left_out_and_counted) {
    Turn turn;
    fill(turn);
    prepare(turn);
    codec::Encoder encoder;
    for (std::size_t i = 0; i < 3; ++i) encode_part(turn, i, encoder);
    leave_out_unstorable(turn);
    EXPECT_EQ(turn.encoded.size(), 1u);
    EXPECT_TRUE(turn.encoded_open.empty());
    EXPECT_EQ(turn.spans_unstorable, 4u);
    EXPECT_FALSE(turn.unstorable_problem.empty());
}

TEST(Turn, what_no_frame_can_hold_is_left_out_and_counted) {
    Turn turn;
    for (int i = 0; i < 3; ++i)
        turn.encoded.push_back({std::vector<std::byte>(400), nullptr, 7, ""});
    leave_out_unstorable(turn, 1000);
    EXPECT_EQ(turn.encoded.size(), 2u);
    EXPECT_EQ(turn.spans_unstorable, 7u);
}

TEST(InTurn, whoever_is_left_out_is_the_first_of_the_next_turn) {
    std::map<std::uint64_t, std::string> all{{2, "a"}, {3, "b"}, {5, "c"}, {6, "d"}, {9, "e"}};
    std::uint64_t first = 0;
    std::string served;
    for (int turn = 0; turn < 6; ++turn) {
        int room = 2;  // each takes half of what there is
        std::size_t asked = 0;
        in_turn(all, &first, [&](const std::string& who) {
            ++asked;
            if (room == 0) return false;
            --room;
            served += who;
            return true;
        });
        EXPECT_EQ(asked, all.size());
        served += ' ';
        if (turn == 2) all.erase(5);
    }
    EXPECT_EQ(served, "ab cd ea bd ea bd ");
}

TEST(InTurn, where_there_is_room_for_all_the_start_goes_round) {
    std::map<std::uint64_t, char> all{{1, 'a'}, {2, 'b'}, {7, 'c'}};
    std::uint64_t first = 0;
    std::string served;
    for (int turn = 0; turn < 4; ++turn) {
        in_turn(all, &first, [&](char who) {
            served += who;
            return true;
        });
        served += ' ';
    }
    EXPECT_EQ(served, "abc bca cab abc ");
}

}  // namespace
}  // namespace spanring::consumer::testing
