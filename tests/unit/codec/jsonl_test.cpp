#include "spanring/codec/jsonl.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "sample_spans.hpp"

namespace spanring::codec {
namespace {

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string attribute_json(Value value) {
    Span span = test::plain_span(1, 1, 0, 1);
    span.attributes = {{"k", std::move(value)}};
    const std::string line = to_jsonl(span);
    const std::string before = R"("attributes":{"k":)";
    const std::size_t begin = line.find(before) + before.size();
    return line.substr(begin, line.find(R"(},"resource")") - begin);
}

TEST(Jsonl, a_plain_span_is_written_as_documented) {
    EXPECT_EQ(to_jsonl(test::plain_span(1, 2, 0, 5)),
              R"({"trace_id":"01112131415161718191a1b1c1d1e1f1","span_id":"0222426282a2c2e2",)"
              R"("parent_id":"","service":"cart","name":"GET /cart","kind":"server",)"
              R"("start_ns":5,"duration_ns":11209515,"status":"unset","attributes":{},)"
              R"("resource":{"service.name":"cart"},"events":[],"links":[]})");
}

TEST(Jsonl, a_full_span_comes_back) {
    const auto read = from_jsonl(to_jsonl(test::full_span()));
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(*read, test::full_span());
}

TEST(Jsonl, is_one_line_of_ascii_controls_escaped) {
    const std::string line = to_jsonl(test::full_span());
    EXPECT_FALSE(contains(line, "\n"));
    EXPECT_TRUE(contains(line, R"(charge \"card\"\n\u0001)"));
}

TEST(Jsonl, a_64_bit_trace_id_has_16_characters_and_a_root_no_parent) {
    Span span = test::plain_span(1, 1, 0, 1);
    span.trace_id = {};
    span.trace_id.bytes[15] = 0xab;
    span.trace_id_64 = true;
    const std::string line = to_jsonl(span);
    EXPECT_TRUE(contains(line, R"("trace_id":"00000000000000ab",)"));
    EXPECT_TRUE(contains(line, R"("parent_id":"")"));
    EXPECT_EQ(*from_jsonl(line), span);
}

TEST(Jsonl, absent_times_are_null) {
    Span span = test::plain_span(1, 1, 0, 1);
    span.start_ns.reset();
    span.duration_ns.reset();
    const std::string line = to_jsonl(span);
    EXPECT_TRUE(contains(line, R"("start_ns":null,"duration_ns":null)"));
    EXPECT_EQ(*from_jsonl(line), span);
}

TEST(Jsonl, rare_fields_stand_only_where_they_say_something) {
    const std::string plain = to_jsonl(test::plain_span(1, 1, 0, 1));
    const std::string full = to_jsonl(test::full_span());
    for (const char* key :
         {"status_message", "truncated", "trace_state", "scope", "flags", "dropped"}) {
        const std::string quoted = '"' + std::string(key) + "\":";
        EXPECT_FALSE(contains(plain, quoted)) << key;
        EXPECT_TRUE(contains(full, quoted)) << key;
    }
    EXPECT_FALSE(contains(full, "unfinished"));
    Span open = test::plain_span(1, 1, 0, 1);
    open.unfinished = true;
    EXPECT_TRUE(contains(to_jsonl(open), R"("unfinished":true)"));
}

TEST(Jsonl, a_key_set_twice_shows_its_last_value) {
    Span span = test::plain_span(1, 1, 0, 1);
    span.attributes = {{"a", std::int64_t{1}}, {"b", true}, {"a", std::int64_t{2}}};
    EXPECT_TRUE(contains(to_jsonl(span), R"("attributes":{"b":true,"a":2})"));
    for (int i = 0; i < 100; ++i) span.attributes.emplace_back("a", std::int64_t{i});
    EXPECT_TRUE(contains(to_jsonl(span), R"("attributes":{"b":true,"a":99})"));
}

TEST(Jsonl, of_keys_that_are_written_alike_the_last_is_written) {
    Span span = test::plain_span(1, 1, 0, 1);
    span.attributes = {{"e\xef\xbf\xbd", std::int64_t{1}}, {"e\x9d", std::int64_t{2}}};
    EXPECT_TRUE(contains(to_jsonl(span), "\"attributes\":{\"e\xef\xbf\xbd\":2}"));
}

TEST(Jsonl, a_service_is_named_by_its_resource) {
    Span span = test::plain_span(1, 1, 0, 1);
    EXPECT_TRUE(contains(to_jsonl(span), R"("service":"cart")"));
    span.resource = std::make_shared<const Attributes>();
    EXPECT_TRUE(contains(to_jsonl(span), R"("service":"unknown_service")"));
    span.resource = nullptr;
    EXPECT_TRUE(contains(to_jsonl(span), R"("resource":{})"));
}

TEST(Jsonl, numbers_are_exact) {
    EXPECT_EQ(attribute_json(std::numeric_limits<std::int64_t>::max()), "9223372036854775807");
    EXPECT_EQ(attribute_json(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
    EXPECT_EQ(attribute_json(0.1), "0.1");
    EXPECT_EQ(attribute_json(5.0), "5.0");
    EXPECT_EQ(attribute_json(-0.0), "-0.0");
    EXPECT_EQ(attribute_json(1e300), "1e+300");
    EXPECT_EQ(attribute_json(5e-324), "5e-324");
}

// RapidJSON's own conversion does something undefined with these.
TEST(Jsonl, zeros_of_many_digits_and_large_exponents_are_zero) {
    Span span = test::plain_span(1, 1, 0, 1);
    span.attributes = {{"k", 5.0}};
    const std::string line = to_jsonl(span);
    const auto read = [&](const std::string& number) {
        const auto back = from_jsonl(std::string(line).replace(line.find("5.0"), 3, number));
        return back ? attribute_json(back->attributes.at(0).second) : back.error().message;
    };
    for (const std::string zero : {"0e300", "0E-300", "0.0e+99", "0.00e023", "0.0", "0e0"}) {
        EXPECT_EQ(read(zero), "0.0") << zero;
        EXPECT_EQ(read("-" + zero), "-0.0") << zero;
    }
    EXPECT_EQ(read("0." + std::string(400, '0')), "0.0");
    EXPECT_EQ(read("0." + std::string(30, '0') + "1"), "1e-31");
    EXPECT_EQ(read("10e300"), "1e+301");
    EXPECT_EQ(read("\"0e300\""), "\"0e300\"");
    for (const char* none : {"0e", "0.", "00e300", "0.e300", "0e300.5", "0e300e1"}) {
        EXPECT_TRUE(contains(read(none), "not JSON")) << none;
    }
}

TEST(Jsonl, numbers_of_many_digits_with_large_exponents_are_zero_or_refused) {
    Span span = test::plain_span(1, 1, 0, 1);
    span.attributes = {{"k", 5.0}};
    const std::string line = to_jsonl(span);
    const auto read = [&](const std::string& number) {
        const auto back = from_jsonl(std::string(line).replace(line.find("5.0"), 3, number));
        return back ? attribute_json(back->attributes.at(0).second) : back.error().message;
    };
    const std::string ones(80, '1');
    const std::string digits(700, '7');
    for (const std::string& large :
         {ones + "e308", std::string("1e309"), ones + ".5e+300", digits + ".0"}) {
        EXPECT_TRUE(contains(read(large), "not JSON")) << large;
        EXPECT_TRUE(contains(read("-" + large), "not JSON")) << large;
    }
    for (const std::string& small :
         {"0." + digits + "e-340", ones + "e-500", std::string("1e-99999999999")}) {
        EXPECT_EQ(read(small), "0.0") << small;
    }
    EXPECT_EQ(read("0." + std::string(400, '0') + "1e401"), "1.0");
    EXPECT_EQ(read(ones + "e-79"), "1.1111111111111112");
    EXPECT_EQ(read("4.9e-324"), "5e-324");
    EXPECT_EQ(read("1.7976931348623157e308"), "1.7976931348623157e+308");
}

TEST(Jsonl, what_json_has_no_number_for_is_text) {
    EXPECT_EQ(attribute_json(std::nan("")), R"("NaN")");
    EXPECT_EQ(attribute_json(HUGE_VAL), R"("Infinity")");
    EXPECT_EQ(attribute_json(-HUGE_VAL), R"("-Infinity")");
}

TEST(Jsonl, bytes_and_nested_values_have_forms_of_their_own) {
    EXPECT_EQ(attribute_json(Bytes{"foob"}), R"({"base64":"Zm9vYg=="})");
    EXPECT_EQ(attribute_json(Json{"{ \"a\" : [ 1.50, 123456789012345678901234567890 ] }\n"}),
              R"({"a":[1.50,123456789012345678901234567890]})");
    EXPECT_EQ(attribute_json(Json{"{not json"}), R"({"json":"{not json"})");
    EXPECT_EQ(attribute_json(Json{"1 2"}), R"({"json":"1 2"})");
    EXPECT_EQ(attribute_json(Json{std::string(100, '[') + std::string(100, ']')}).substr(0, 9),
              R"({"json":")")
        << "deeper than readers will follow";
}

TEST(Jsonl, text_that_is_not_utf_8_is_repaired) {
    const std::string bad = "\xef\xbf\xbd";
    EXPECT_EQ(attribute_json(std::string("a\xff") + "b"), "\"a" + bad + "b\"");
    EXPECT_EQ(attribute_json(std::string("\xed\xa0\x80")), '"' + bad + bad + bad + '"')
        << "a surrogate";
    EXPECT_EQ(attribute_json(std::string("\xc0\x80")), '"' + bad + bad + '"') << "overlong";
    EXPECT_EQ(attribute_json(std::string("\xe2\x82")), '"' + bad + bad + '"') << "cut";
    EXPECT_EQ(attribute_json(std::string("\xf0\x9f\x98\x80")), "\"\xf0\x9f\x98\x80\"");
}

TEST(Jsonl, a_nested_value_that_is_not_utf_8_is_read_as_it_is_written) {
    Span span = test::plain_span(1, 1, 0, 1);
    span.attributes = {{"k", 5.0}};
    const std::string line = to_jsonl(span);
    const auto read = from_jsonl(std::string(line).replace(line.find("5.0"), 3, "{\"\x85\":1}"));
    ASSERT_TRUE(read.ok()) << read.error().message;
    const auto again = from_jsonl(to_jsonl(*read));
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(attribute_json(read->attributes.at(0).second), "{\"\xef\xbf\xbd\":1}");
    EXPECT_EQ(to_jsonl(*again), to_jsonl(*read));
}

TEST(Jsonl, malformed_lines_are_refused_with_the_cause) {
    const auto cause = [](std::string_view line) {
        const auto read = from_jsonl(line);
        EXPECT_FALSE(read.ok()) << line;
        return read.ok() ? std::string() : read.error().message;
    };
    EXPECT_TRUE(contains(cause("{"), "not JSON"));
    EXPECT_TRUE(contains(cause("[]"), "not an object"));
    EXPECT_TRUE(contains(cause("{}"), "trace_id"));
    const std::string ids = R"({"trace_id":"00000000000000ab","span_id":"00000000000000ab",)";
    EXPECT_TRUE(contains(cause(ids + R"("parent_id":"xyz"})"), "parent_id"));
    EXPECT_TRUE(contains(cause(ids + R"("kind":"other"})"), "kind is unknown: other"));
    EXPECT_TRUE(contains(cause(ids + R"("start_ns":1.5})"), "start_ns is not an integer"));
    EXPECT_TRUE(contains(cause(ids + R"("attributes":[]})"), "attributes"));
    EXPECT_TRUE(contains(cause(ids + R"("attributes":{"x":{"base64":"?"}}})"), "base64"));
    EXPECT_TRUE(contains(cause(ids + R"("events":[1]})"), "events"));
    EXPECT_TRUE(contains(cause(ids + R"("links":[{}]})"), "links"));
    EXPECT_TRUE(contains(cause(ids + R"("scope":7})"), "scope"));
    EXPECT_TRUE(contains(cause(std::string(100000, '[')), "nested deeper"));
}

}  // namespace
}  // namespace spanring::codec
