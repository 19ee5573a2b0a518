#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "top.hpp"

namespace spanring::tools {
namespace {

TopView busy_view() {
    TopView view;
    view.rings.consumer_pid = 42;
    for (const std::uint32_t pid : {11u, 12u}) {
        ProducerView producer;
        producer.pid = pid;
        producer.process = "shop";
        producer.alive = true;
        producer.instance.bytes[0] = static_cast<std::uint8_t>(pid);
        producer.ring_bytes = 1u << 20;
        producer.ring_bytes_max = 16u << 20;
        producer.ring_used_bytes = 8u << 20;
        view.rings.producers.push_back(producer);
    }
    view.measured.seconds = 1;
    view.measured.bytes = 4'000'000;
    view.measured.tracepoints_per_second = 1e6;
    view.measured.delay_ns_p50 = 900'000;
    view.measured.delay_ns_p99 = 2'000'000;
    view.measured.delay_ns_mean = 1e6;
    view.measured.instance_rate[view.rings.producers[1].instance] = 1e6;
    view.in_flight = 980;
    view.database_bytes = 1ull << 30;
    view.database_bytes_max = 10ull << 30;
    view.disk_free_bytes = 1ull << 40;
    return view;
}

TEST(Top, computes_r_from_rate_and_delay_beside_the_counted_one) {
    const TopView view = busy_view();
    EXPECT_DOUBLE_EQ(view.in_flight_computed(), 1000);
    EXPECT_DOUBLE_EQ(view.in_flight, 980);
}

TEST(Top, days_left_end_at_the_nearer_of_limit_and_disk) {
    TopView view = busy_view();
    const double per_day = 4e6 * 86400;
    EXPECT_NEAR(*view.days_left(), static_cast<double>(9ull << 30) / per_day, 1e-9);
    view.disk_free_bytes = 1u << 30;
    EXPECT_NEAR(*view.days_left(), static_cast<double>(1u << 30) / per_day, 1e-9);
    view.measured.bytes = 0;
    EXPECT_FALSE(view.days_left().has_value());
}

TEST(Top, lists_the_busiest_process_first) {
    rapidjson::Document document;
    document.Parse(top_json(busy_view()).c_str());
    ASSERT_FALSE(document.HasParseError());
    EXPECT_EQ(document["producers"][0]["pid"].GetInt(), 12);
    EXPECT_DOUBLE_EQ(document["producers"][0]["ring_fill"].GetDouble(), 0.5);
    EXPECT_DOUBLE_EQ(document["rate_times_delay"].GetDouble(), 1000);
    EXPECT_EQ(document["consumer_pid"].GetInt(), 42);
}

TEST(Top, says_so_when_no_consumer_runs_and_nothing_traces) {
    const std::string text = top_text(TopView{}, Terminal{});
    EXPECT_NE(text.find("no consumer runs"), std::string::npos);
    EXPECT_NE(text.find("no process traces"), std::string::npos);
    EXPECT_NE(text.find("nothing lost"), std::string::npos);
}

TEST(Top, losses_are_shown) {
    TopView view = busy_view();
    view.lost = 1234;
    EXPECT_NE(top_text(view, Terminal{}).find("1,234 lost"), std::string::npos);
}

TEST(LostTotal, takes_the_larger_count_of_an_instance_that_is_live_and_recorded) {
    RingsView rings;
    ProducerView producer;
    producer.instance.bytes[0] = 1;
    producer.lost.spans = 10;
    producer.lost.details = 1;
    rings.producers.push_back(producer);
    store::InstanceLosses recorded;
    recorded.id = producer.instance;
    recorded.spans = 7;
    recorded.details = 3;
    store::InstanceLosses ended;
    ended.id.bytes[0] = 2;
    ended.ends = 100;
    EXPECT_EQ(lost_total(rings, {recorded, ended}), 10u + 3u + 100u);
}

}  // namespace
}  // namespace spanring::tools
