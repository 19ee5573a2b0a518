// W3C Trace Context and Baggage: the good, the bad, and the limits.
#include "w3c.hpp"

#include <gtest/gtest.h>

namespace spanring::w3c {
namespace {

constexpr const char* kGood = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceParent, is_read_and_written) {
    TraceParent parent;
    ASSERT_TRUE(parse_traceparent(kGood, &parent));
    EXPECT_EQ(to_hex(parent.trace), "4bf92f3577b34da6a3ce929d0e0e4736");
    EXPECT_EQ(to_hex(parent.span), "00f067aa0ba902b7");
    EXPECT_EQ(parent.flags, 1);
    EXPECT_EQ(format_traceparent(parent), kGood);
}

TEST(TraceParent, of_a_later_version_may_go_on) {
    TraceParent parent;
    EXPECT_TRUE(parse_traceparent(
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-what-comes", &parent));
    EXPECT_EQ(parent.flags, 1);
    EXPECT_TRUE(
        parse_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", &parent));
}

TEST(TraceParent, malformed_is_refused) {
    for (const char* bad : {
             "",
             "00",
             "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
             "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
             "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
             "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
             "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
             "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
             "00-4bf92f3577b34da6a3ce929d0e0e4736-00F067aa0ba902b7-01",
             "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
             "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
             "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
             "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
             "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
             "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
         }) {
        TraceParent parent;
        EXPECT_FALSE(parse_traceparent(bad, &parent)) << bad;
        EXPECT_FALSE(parent.trace.valid()) << bad;
    }
}

TEST(TraceState, is_cleaned) {
    EXPECT_EQ(clean_trace_state("a=1,b=2"), "a=1,b=2");
    EXPECT_EQ(clean_trace_state(" a=1 ,\t, b=2 ,"), "a=1,b=2");
    EXPECT_EQ(clean_trace_state("fw529a3039@dt=FfAA;x"), "fw529a3039@dt=FfAA;x");
    EXPECT_EQ(clean_trace_state(""), "");
}

TEST(TraceState, malformed_is_left_out) {
    for (const char* bad : {"a", "=1", "A=1", "a=", "a=1,a=2", "a=b=c", "1a=1", "a@=1", "@b=1",
                            "a@1b=1", "a@b@c=1", "a=\x01", "a b=1", "a@bcdefghijklmnop=1"}) {
        EXPECT_EQ(clean_trace_state(bad), "") << bad;
    }
}

TEST(TraceState, keeps_its_limits) {
    std::string many;
    for (int i = 0; i < 32; ++i) many += "k" + std::to_string(i) + "=v,";
    EXPECT_NE(clean_trace_state(many), "");
    EXPECT_EQ(clean_trace_state(many + "one=more"), "");
    const std::string long_member = "long=" + std::string(250, 'x');
    std::string text = "first=1," + long_member;
    for (int i = 0; i < 30; ++i) text += ",k" + std::to_string(i) + "=0123456789";
    const std::string cleaned = clean_trace_state(text);
    EXPECT_LE(cleaned.size(), 512u);
    EXPECT_EQ(cleaned.rfind("first=1,k0=", 0), 0u) << cleaned;
    EXPECT_EQ(clean_trace_state("a=" + std::string(257, 'x')), "");
}

TEST(Baggage, is_read_and_written) {
    const auto members = parse_baggage("userId=Am%C3%A9lie , serverNode = DF%2028;p=1;q ,flag=");
    ASSERT_EQ(members.size(), 3u);
    EXPECT_EQ(members[0].value, "Am\xC3\xA9lie");
    EXPECT_EQ(members[1].key, "serverNode");
    EXPECT_EQ(members[1].value, "DF 28");
    EXPECT_EQ(members[1].properties, "p=1;q");
    EXPECT_EQ(format_baggage(members), "userId=Am%C3%A9lie,serverNode=DF%2028;p=1;q,flag=");
}

TEST(Baggage, malformed_members_are_left_out) {
    const auto members = parse_baggage("good=1,no value,=2,b(d=3,bad=%zz,cut=%4,sp ace=1,ok=2");
    ASSERT_EQ(members.size(), 2u);
    EXPECT_EQ(members[0].key, "good");
    EXPECT_EQ(members[1].key, "ok");
}

TEST(Baggage, keeps_its_limits) {
    std::string text;
    for (int i = 0; i < 200; ++i) text += "key" + std::to_string(i) + "=v,";
    EXPECT_EQ(parse_baggage(text).size(), 180u);
    std::string large;
    for (int i = 0; i < 20; ++i)
        large += "key" + std::to_string(i) + "=" + std::string(1000, 'v') + ",";
    EXPECT_EQ(parse_baggage(large).size(), 8u);
}

TEST(PercentCode, refuses_what_is_cut) {
    std::string out;
    EXPECT_TRUE(percent_decode("a%20b%2C", &out));
    EXPECT_EQ(out, "a b,");
    EXPECT_FALSE(percent_decode("%", &out));
    EXPECT_FALSE(percent_decode("%2", &out));
    EXPECT_FALSE(percent_decode("%2g", &out));
}

}  // namespace
}  // namespace spanring::w3c
