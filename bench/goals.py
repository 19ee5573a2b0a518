"""The figures that spanring answers to: goal, floor, and where each comes from.

`figures` maps names to numbers; what could not be measured is absent. Names: tracer/ROW in ns,
latency/PACE/KIND/QUANTILE in ns, peers' rows, throughput/LOAD/WHAT, delay/RATE/WHAT, bytes/WHAT,
threads/COUNT/WHAT, and others that say what they are.
"""

import dataclasses

RATES = ("1", "1000", "100000", "1000000")


@dataclasses.dataclass(frozen=True)
class Goal:
    """A row. `how` says what the goal is for: ours ÷ floor, ours − floor, or ours alone."""
    title: str
    unit: str
    limit: float
    ours: str
    floor: str = ""
    how: str = ""           # "ratio", "minus", or nothing
    at_least: bool = False
    peers: tuple = ()       # (peer, figure)
    in_readme: bool = False

    def value(self, figures):
        """Returns what the goal is for, or None."""
        ours, floor = figures.get(self.ours), figures.get(self.floor)
        if ours is None or (self.how and floor is None):
            return None
        return {"": lambda: ours, "ratio": lambda: ours / floor,
                "minus": lambda: ours - floor}[self.how]()

    def met(self, figures):
        """Returns True or False, or None if it was not measured."""
        value = self.value(figures)
        if value is None:
            return None
        return value >= self.limit if self.at_least else value <= self.limit

    def limit_text(self):
        """Returns the goal for a reader."""
        sign = "≥" if self.at_least else "≤"
        what = {"ratio": " × floor", "minus": " over floor", "": ""}
        return f"{sign} {number(self.limit)}{what[self.how]}"


def number(value):
    """Returns a number as short as it can be read."""
    if value is None:
        return "–"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g} M"
    if abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}"


_SPAN_PEERS = (("LTTng-UST", "lttng/span"), ("spdlog async", "spdlog/span"))
_EVENT_PEERS = (("LTTng-UST", "lttng/event_44"), ("spdlog async", "spdlog/event_44"))
_SPAN = "tracer/span"


def _latency(pace, quantile, limit_ns, empty):
    name = {"p99_9": "p99.9", "p99": "p99"}[quantile]
    return Goal(f"one call, paced at {pace}, {name}", "ns", limit_ns,
                f"latency/{pace}/call/{quantile}",
                f"latency/{pace}/empty/{quantile}" if empty else "", "minus" if empty else "")


def _delay(rate):
    words = {"1": "1", "1000": "1 k", "100000": "100 k", "1000000": "1 M"}[rate]
    yield Goal(f"delay to queryable at {words} spans/s, p50", "ms", 1, f"delay/{rate}/p50_ms",
               in_readme=rate == "100000")
    yield Goal(f"delay to queryable at {words} spans/s, p99", "ms", 5, f"delay/{rate}/p99_ms",
               in_readme=rate == "100000")


def _throughput(load, words, spans, cpu):
    yield Goal(f"committed without loss, {words}", "spans/s", spans,
               f"throughput/{load}/spans_per_s", at_least=True, in_readme=load != "mix2")
    if cpu:
        yield Goal(f"consumer's processor time, {words}", "ns/span", cpu,
                   f"throughput/{load}/consumer_cpu_ns")


GOALS = (
    Goal("span, begin + end", "ns", 1.25, _SPAN, "tracer/floor_of_span", "ratio",
         peers=_SPAN_PEERS, in_readme=True),
    Goal("span on two threads ÷ on one", "ns", 1.15, "tracer/span_on_threads/2", _SPAN, "ratio"),
    Goal("event", "ns", 1.2, "tracer/event", "tracer/floor_of_event", "ratio", in_readme=True),
    Goal("event with 40 bytes of attributes", "ns", 1.3, "tracer/event_with_40_bytes",
         "tracer/floor_of_event_with_40_bytes", "ratio", peers=_EVENT_PEERS, in_readme=True),
    Goal("an integer attribute", "ns", 3, "tracer/span_with_integer", _SPAN, "minus"),
    Goal("a string attribute of 13 characters", "ns", 6, "tracer/span_with_text", _SPAN, "minus"),
    Goal("disabled call site", "ns", 0.2, "tracer/disabled_call_site", "tracer/floor_empty_loop",
         "minus", in_readme=True),
    Goal("dropped call (a begin or an end), ring full, counted", "ns", 5, "tracer/dropped_call",
         in_readme=True),
    Goal("span while 100,000 are open", "ns", 1.1, "tracer/span_with_100000_open", _SPAN, "ratio"),
    _latency("2us", "p99_9", 30, True),
    _latency("100us", "p99", 300, False),
    _latency("10ms", "p99", 300, False),
    _latency("1s", "p99", 20_000, False),
    *_throughput("tight", "tight loop", 25e6, 30),
    *_throughput("mix", "mix", 8e6, 110),
    *_throughput("mix2", "mix with an integer and a string", 5e6, 180),
    *_throughput("tight_2_producers", "tight loop, two producers", 10e6, None),
    Goal("consumer's memory, tight loop", "MiB", 128, "throughput/tight/rss_mib"),
    *(goal for rate in RATES for goal in _delay(rate)),
    Goal("wake-up calls of a producer, each idle period of 200 ms", "calls", 1,
         "wake/calls_per_period"),
    Goal("consumer's processor when idle", "% of a core", 0.5, "idle/cpu_percent"),
    Goal("consumer's processor at 1 k spans/s", "% of a core", 2, "delay/1000/cpu_percent"),
    Goal("consumer's processor at 100 k spans/s", "% of a core", 8, "delay/100000/cpu_percent"),
    Goal("disk writes at 1 k spans/s", "MiB/s", 1, "delay/1000/disk_mib_per_s"),
    Goal("database, mix", "bytes/span", 8.5, "bytes/mix", in_readme=True),
    Goal("database, mix with two integers and two strings of 13 characters", "bytes/span", 14,
         "bytes/mix4"),
    Goal("database, Hipster replay with its foreign ids", "bytes/span", 16, "bytes/hipster",
         in_readme=True),
    *(Goal(f"segment of a process with {words}", "MiB", mib, f"threads/{count}/segment_mib")
      for count, words, mib in ((1, "one thread", 1), (100, "100 active threads", 2),
                                (10_000, "10,000 mostly idle threads", 16))),
    Goal("consumer's processor, 1,000 producers with 100 spans every 100 ms", "% of a core", 100,
         "producers_1000/cpu_percent"),
    Goal("start of spanringd to the first queryable span", "ms", 200, "start/first_span_ms"),
    Goal("start of spanringd after kill -9 to draining again", "ms", 300,
         "restart/first_span_ms"),
    Goal("header, added compile time", "ms", 150, "header/added_ms"),
)

# Shown without a goal.
OTHERS = ("tracer/floor_timestamp", "tracer/floor_core_to_core", "tracer/span_nested",
          "tracer/span_with_integer_and_text", "tracer/span_with_remote_parent",
          "tracer/span_async", "tracer/span_on_threads/64", "latency/2us/span/p99_9",
          "lttng/floor_of_span", "spdlog/floor_of_span", "bytes/mix2", "threads/1/ring_mib",
          "threads/100/ring_mib", "threads/10000/ring_mib", "producers_1000/spans_per_s",
          "producers_1000/rss_mib")
PREFIXES_SHOWN = ("consumer/", "store/", "instructions/")


def summary(figures):
    """Returns the object that scripts read: None where something was not measured."""
    def over(first, second, operation):
        a, b = figures.get(first), figures.get(second)
        return None if a is None or b is None else operation(a, b)

    def worst(what):
        values = [figures.get(f"delay/{rate}/{what}") for rate in RATES]
        return None if None in values else max(values)

    def ratio(a, b):
        return a / b

    def minus(a, b):
        return a - b

    result = {
        "span_over_floor": over(_SPAN, "tracer/floor_of_span", ratio),
        "event_over_floor": over("tracer/event", "tracer/floor_of_event", ratio),
        "disabled_minus_empty_ns": over("tracer/disabled_call_site", "tracer/floor_empty_loop",
                                        minus),
        "dropped_ns": figures.get("tracer/dropped_call"),
        "p99_9_over_empty_ns": over("latency/2us/call/p99_9", "latency/2us/empty/p99_9", minus),
        "tight_spans_per_s": figures.get("throughput/tight/spans_per_s"),
        "mix_spans_per_s": figures.get("throughput/mix/spans_per_s"),
        "mix2_spans_per_s": figures.get("throughput/mix2/spans_per_s"),
        "tight_cpu_ns": figures.get("throughput/tight/consumer_cpu_ns"),
        "mix_cpu_ns": figures.get("throughput/mix/consumer_cpu_ns"),
        "delay_p50_ms": worst("p50_ms"),
        "delay_p99_ms": worst("p99_ms"),
        "bytes_mix": figures.get("bytes/mix"),
        "bytes_hipster": figures.get("bytes/hipster"),
        "lttng_span_ns": figures.get("lttng/span"),
        "span_ns": figures.get(_SPAN),
        "floor_ns": figures.get("tracer/floor_of_span"),
    }
    return {key: value if value is None else float(f"{value:.5g}")
            for key, value in result.items()}
