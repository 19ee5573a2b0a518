// Columns as dictionaries: every value comes back, in fewer bytes, and no bytes whatever break it.
#include "dictionary.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>
#include <string>

#include "integers.hpp"
#include "sample_spans.hpp"
#include "sections.hpp"
#include "spanring/codec/batch.hpp"
#include "spanring/codec/details.hpp"

namespace spanring::codec {
namespace {

using Texts = std::vector<std::string>;

bool put(const Texts& texts, Buffer* out) {
    std::vector<std::uint64_t> lengths;
    Buffer bytes;
    for (const std::string& text : texts) {
        lengths.push_back(text.size());
        put_text(bytes, text);
    }
    return put_dictionary(*out, lengths, bytes);
}

/// Nothing: it was refused.
std::optional<Texts> get(std::span<const std::byte> bytes, std::size_t count) {
    // A copy of exactly this length on the heap, so that a sanitizer sees every byte too far.
    const Buffer copy(bytes.begin(), bytes.end());
    ByteReader in(copy);
    Dictionary dictionary;
    if (!dictionary.read(in, count) || !in.finished()) return std::nullopt;
    Texts texts;
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < count; ++i) {
        texts.push_back(text_of(dictionary.value(i)));
        total += texts.back().size();
    }
    EXPECT_EQ(dictionary.value_bytes(), total);
    return texts;
}

/// Values of which each occurs some times.
Texts repeated(std::size_t count, std::size_t distinct) {
    std::mt19937 random(3);
    Texts texts;
    for (std::size_t i = 0; i < count; ++i) {
        texts.push_back("user-" + std::to_string(random() % distinct * 7919));
    }
    return texts;
}

RC_GTEST_PROP(Dictionary, gives_every_value_back, ()) {
    const auto any = rc::gen::scale(0.3, rc::gen::arbitrary<std::string>());
    const auto pool = *rc::gen::nonEmpty(rc::gen::container<Texts>(any));
    const auto count = *rc::gen::inRange<std::size_t>(0, 300);
    const auto texts = *rc::gen::container<Texts>(count, rc::gen::elementOf(pool));
    Buffer bytes;
    if (!put(texts, &bytes)) {
        RC_ASSERT(bytes.empty());
        return;
    }
    RC_ASSERT(get(bytes, texts.size()) == texts);
}

RC_GTEST_PROP(Dictionary, reads_any_bytes_within_their_bounds, ()) {
    Buffer bytes;
    RC_PRE(put(repeated(200, 20), &bytes));
    for (int n = *rc::gen::inRange(1, 6); n-- > 0;) {
        bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] =
            std::byte{*rc::gen::arbitrary<std::uint8_t>()};
    }
    bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size() + 1));
    (void)get(bytes, 200);
}

TEST(Dictionary, is_refused_when_cut_anywhere) {
    Buffer bytes;
    ASSERT_TRUE(put(repeated(200, 20), &bytes));
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
        EXPECT_FALSE(get(std::span(bytes).first(cut), 200)) << cut;
    }
}

TEST(Dictionary, is_not_made_of_values_that_hardly_repeat_or_are_few) {
    Buffer out;
    Texts distinct;
    for (int i = 0; i < 1000; ++i) distinct.push_back(std::to_string(i));
    EXPECT_FALSE(put(distinct, &out));
    EXPECT_FALSE(put(repeated(63, 2), &out));
    EXPECT_FALSE(put({}, &out));
    EXPECT_TRUE(out.empty());
    EXPECT_TRUE(put(Texts(64), &out)) << "of empty strings, all alike";
}

// What a sound writer never makes.
struct Made {
    std::vector<std::uint64_t> lengths{1, 2};
    std::vector<std::uint64_t> shared{0, 1};
    std::vector<std::uint64_t> entry_of{0, 1, 1};
    std::vector<std::uint64_t> rest{'a', 'b'};

    [[nodiscard]] std::optional<Texts> read() const {
        Buffer out{kDictionaryTag};
        put_varint(out, lengths.size());
        for (const auto* numbers : {&lengths, &shared, &entry_of, &rest}) {
            put_integers(out, *numbers);
        }
        return get(out, entry_of.size());
    }
};

TEST(Dictionary, that_lies_is_refused) {
    EXPECT_EQ(Made().read(), (Texts{"a", "ab", "ab"}));
    Made made;
    made.entry_of = {0, 1, 2};
    EXPECT_FALSE(made.read()) << "no such entry";
    made = {};
    made.shared = {1, 1};
    EXPECT_FALSE(made.read()) << "the first shares with nobody";
    made = {};
    made.shared = {0, 2};
    EXPECT_FALSE(made.read()) << "shares more than the one before has";
    made = {};
    made.rest = {'a', 256};
    EXPECT_FALSE(made.read()) << "no byte";
    made = {};
    made.lengths = {1, std::uint64_t{1} << 60};
    EXPECT_FALSE(made.read()) << "longer than anything";
    made = {};
    constexpr std::uint64_t kLongest = SPANRING_SPAN_BYTES_MAX - 8;
    made.lengths = {kLongest, kLongest};
    made.shared = {0, kLongest};
    made.rest.assign(kLongest, 'a');
    EXPECT_TRUE(made.read());
    ++made.lengths[1];
    made.rest.push_back('b');
    EXPECT_FALSE(made.read()) << "longer than a span may be";
    made = {};
    made.lengths.assign(5, kLongest);
    made.shared = {0, kLongest, kLongest, kLongest, kLongest};
    made.rest.assign(kLongest, 'a');
    EXPECT_FALSE(made.read()) << "more text than a reader takes";
    made = {};
    made.lengths = made.shared = {};
    EXPECT_FALSE(made.read()) << "values of no entry";
}

/// A batch whose spans have a user out of a few; `records` of the same on the first one.
Batch with_users(std::size_t rows, int records = 1) {
    Batch batch;
    const Instance own = test::instance(1);
    const InstanceIndex index = batch.intern_instance(own);
    const StringId key = batch.intern("user.id");
    const Texts users = repeated(rows, 1 + rows / 10);
    for (std::size_t i = 0; i < rows; ++i) {
        const SpanKey span = SpanKey::of(1, i + 1);
        Row row = test::native_row(index, own, span, span, SpanKey{}, test::kNoonNs);
        row.details_offset = batch.details.size();
        for (int n = 0; n < (i == 0 ? records : 1); ++n) {
            DetailWriter(batch.details).attribute(key, Value(users[i]), SPANRING_TARGET_SPAN);
        }
        row.details_bytes = static_cast<std::uint32_t>(batch.details.size() - row.details_offset);
        batch.rows.push_back(row);
    }
    return batch;
}

TEST(DictionaryColumn, makes_a_compacted_batch_smaller_and_means_the_same) {
    const Batch batch = with_users(2000);
    const auto plain = encode(batch);
    const auto small = encode(batch, {.small = true});
    ASSERT_TRUE(plain.ok() && small.ok());
    EXPECT_LT(small->size() * 3, plain->size() * 2);
    EXPECT_EQ(std::to_integer<int>((*small)[4]), 3) << "older readers refuse it by its version";
    const auto read = decode(*small);
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(*encode(*read), *plain);
}

/// All but the columns of details.
void copy_rows(const SectionReader& from, SectionWriter* to) {
    for (std::uint32_t id = 1; id < static_cast<std::uint32_t>(SectionId::kColumnFirst); ++id) {
        Buffer buffer;
        const auto content = from.read(static_cast<SectionId>(id), &buffer);
        ASSERT_TRUE(content.ok());
        to->add(static_cast<SectionId>(id), Buffer(content->begin(), content->end()));
    }
}

/// As a writer adds a dictionary: beside a form of the column that takes more.
void add_dictionary(SectionId id, const Buffer& dictionary, SectionWriter* to) {
    Buffer longer = dictionary;
    std::minstd_rand random(1);
    for (int i = 0; i < 4096; ++i) longer.push_back(static_cast<std::byte>(random() >> 8));
    to->add_smaller(id, longer, dictionary);
}

// One entry of nearly 1 MiB, and a row that names it 600 times: 1 MiB of bytes, 600 of details.
TEST(DictionaryColumn, that_would_expand_beyond_the_limit_is_refused_before_it_does) {
    constexpr int kRecords = 600;
    constexpr std::size_t kLongest = SPANRING_SPAN_BYTES_MAX - 8;
    const auto good = encode(with_users(1, kRecords));
    ASSERT_TRUE(good.ok());
    Buffer column{kDictionaryTag};
    put_varint(column, 1);
    put_integers(column, std::vector<std::uint64_t>{kLongest});
    put_integers(column, std::vector<std::uint64_t>{0});
    put_integers(column, std::vector<std::uint64_t>(kRecords, 0));
    put_integers(column, std::vector<std::uint64_t>(kLongest, 'a'));

    const auto sections = SectionReader::open(*good);
    ASSERT_TRUE(sections.ok());
    CompressionMemory memory;
    SectionWriter out({}, 1, memory);
    copy_rows(*sections, &out);
    add_dictionary(SectionId::kColumnFirst, column, &out);
    const auto read = decode(out.finish());
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().message, "batch: too many details");
}

/// Spans with an empty string in each of some columns.
Batch with_columns(std::size_t rows, std::size_t columns) {
    Batch batch;
    const Instance own = test::instance(1);
    const InstanceIndex index = batch.intern_instance(own);
    for (std::size_t i = 0; i < rows; ++i) {
        const SpanKey span = SpanKey::of(1, i + 1);
        Row row = test::native_row(index, own, span, span, SpanKey{}, test::kNoonNs);
        row.details_offset = batch.details.size();
        for (std::size_t c = 0; c < columns; ++c) {
            DetailWriter(batch.details)
                .attribute(batch.intern("key " + std::to_string(c)), Value(std::string()),
                           SPANRING_TARGET_SPAN);
        }
        row.details_bytes = static_cast<std::uint32_t>(batch.details.size() - row.details_offset);
        batch.rows.push_back(row);
    }
    return batch;
}

/// An empty entry, which all values name, and others of `bytes` each that nobody names.
Buffer unnamed_entries(std::size_t entries, std::uint64_t bytes) {
    std::vector<std::uint64_t> lengths(entries, bytes);
    std::vector<std::uint64_t> shared(entries, bytes);
    lengths[0] = shared[0] = shared[1] = 0;
    Buffer column{kDictionaryTag};
    put_varint(column, entries);
    put_integers(column, lengths);
    put_integers(column, shared);
    put_integers(column, std::vector<std::uint64_t>(entries, 0));
    put_integers(column, std::vector<std::uint64_t>(bytes, 'a'));
    return column;
}

// 80 columns of nearly 4 MiB each, which are held although no value names them.
TEST(DictionaryColumn, whose_entries_exceed_the_limit_is_refused_though_nobody_names_them) {
    constexpr std::size_t kRows = 64;
    constexpr std::uint32_t kColumns = 80;
    const Buffer column = unnamed_entries(kRows, 64u << 10);
    const auto good = encode(with_columns(kRows, kColumns));
    ASSERT_TRUE(good.ok());
    const auto sections = SectionReader::open(*good);
    ASSERT_TRUE(sections.ok());
    CompressionMemory memory;
    SectionWriter out({}, kRows, memory);
    copy_rows(*sections, &out);
    for (std::uint32_t c = 0; c < kColumns; ++c) {
        const std::uint32_t id = static_cast<std::uint32_t>(SectionId::kColumnFirst) + c;
        add_dictionary(static_cast<SectionId>(id), column, &out);
    }
    const auto read = decode(out.finish());
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(read.error().message, "batch: too many details");
}

}  // namespace
}  // namespace spanring::codec
