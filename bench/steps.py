"""The steps of a benchmark run. Each puts figures into the suite, or says why it cannot."""

import json
import os
import shutil
import subprocess
import tempfile

import gate
import goals
import header_time
import peers
import process_steps
from suite import NotMeasured


# What the summary needs.
_SHORT_ROWS = ("floor_of_span|floor_of_event|floor_empty_loop|disabled_call_site|event|span|"
               "span_dropped")


def tracer(suite):
    """Producer rows and their floors."""
    arguments = ["--benchmark_repetitions=15"]
    if suite.short:
        arguments = ["--benchmark_repetitions=7", f"--benchmark_filter=^({_SHORT_ROWS})/"]
    for row, repetitions in suite.rows("bench_tracer", *arguments,
                                       limit_s=80 if suite.short else 900):
        suite.keep(f"tracer/{row}", [each["ns_each"] for each in repetitions])
        if row == "span_dropped":  # a begin and an end
            suite.keep("tracer/dropped_call", [each["ns_each"] / 2 for each in repetitions])


def latency(suite):
    """Single calls at a pace."""
    scale = "0.1" if suite.short else "1"
    out = json.loads(suite.run("bench_latency", "--json", "--scale", scale))
    for pace in out["paces"]:
        if pace["late_share"] > 0.2:
            suite.note(f"calls at a pace of {pace['pace']}: {pace['late_share']:.0%} of the turns "
                       "came late")
            continue
        for kind in ("empty", "call", "span"):
            for quantile, value in pace[kind].items():
                suite.figures[f"latency/{pace['pace']}/{kind}/{quantile}"] = value


def _offline(suite, program, prefix):
    arguments = [f"--benchmark_repetitions={3 if suite.short else 7}",
                 "--benchmark_enable_random_interleaving=true", "--benchmark_min_time=0.1"]
    for row, repetitions in suite.rows(program, *arguments):
        for counter in ("ns_each", "ns_each_byte", "bytes_each"):
            values = [each[counter] for each in repetitions if counter in each]
            if values:
                suite.keep(f"{prefix}/{row} {counter}", values)


def consumer(suite):
    """Assemble, encode, decode."""
    _offline(suite, "bench_consumer", "consumer")


def store(suite):
    """LZ4 and append."""
    _offline(suite, "bench_store", "store")


def lttng(suite):
    """The peer across processes."""
    rows, tracepoints, repetitions = ("lttng_", 3, 7)
    if suite.short:
        rows, tracepoints, repetitions = ("lttng_floor|lttng_span", 2, 4)
    # In eight bursts of each repetition; an event is one tracepoint, a span two.
    emitted = tracepoints * repetitions * 8 * 100_000
    try:
        with peers.lttng_session() as arrived:
            found = list(suite.rows("bench_lttng", f"--benchmark_repetitions={repetitions}",
                                    f"--benchmark_filter={rows}",
                                    limit_s=40 if suite.short else 300))
    except peers.Missing as error:
        raise NotMeasured(f"SKIPPED: {error}") from error
    if arrived["discarded"] or arrived["events"] != emitted:
        raise NotMeasured(f"of {emitted} tracepoints {arrived['events']} arrived in LTTng's trace")
    for row, each in found:
        suite.keep(row.replace("lttng_", "lttng/", 1), [one["ns_each"] for one in each])


def spdlog(suite):
    """The peer within the process."""
    for row, repetitions in suite.rows("bench_spdlog", "--benchmark_repetitions=7", limit_s=300):
        suite.keep(row.replace("spdlog_", "spdlog/", 1), [each["ns_each"] for each in repetitions])


_LOADS = {"tight": ("--workload", "tight"), "mix": ("--workload", "mix"),
          "mix2": ("--workload", "mix", "--attributes", "2"),
          "tight_2_producers": ("--workload", "tight", "--producers", "2")}


def _throughput(suite, load):
    times = ("--seconds", "60", "--search-seconds", "3")
    if suite.short:
        times = ("--seconds", "5", "--search-seconds", "1", "--quick")
    out = suite.run("spanring", "bench", "throughput", "--json", *_LOADS[load], *times, ok=(0, 1),
                    limit_s=45 if suite.short else 1200)
    found = json.loads(out)
    if not found.get("measured", True):
        raise NotMeasured(found.get("why", "no reason given"))
    if found["lost"] != 0 or found["stored"] != found["emitted"]:
        raise NotMeasured(f"{found['lost']} spans were lost")
    for key in ("spans_per_s", "consumer_cpu_ns", "bytes_per_span"):
        suite.figures[f"throughput/{load}/{key}"] = found[key]
    suite.figures[f"throughput/{load}/rss_mib"] = found["consumer_rss_bytes"] / 2**20


def throughput(load):
    """Returns the step that looks for the highest lossless rate."""
    return lambda suite: _throughput(suite, load)


def delay(suite):
    """From a span's end to its being visible in another process."""
    out = suite.run("spanring", "bench", "delay", "--json", "--rates", ",".join(goals.RATES),
                    "--seconds", "5" if suite.short else "30", ok=(0, 1),
                    limit_s=60 if suite.short else 300)
    for rate, found in zip(goals.RATES, json.loads(out)["rates"]):
        if found["lost"] != 0 or found["seen"] != found["emitted"]:
            suite.note(f"delay at {rate} spans/s: {found['seen']} of {found['emitted']} spans were "
                       f"seen, {found['lost']} were lost")
            continue
        if found["spans_per_s"] < 0.9 * found["asked_per_s"] - 1:  # at 1/s, one is much
            suite.note(f"delay at {rate} spans/s: only {found['spans_per_s']:.0f} were made")
            continue
        suite.figures |= {f"delay/{rate}/p50_ms": found["delay_ns_p50"] / 1e6,
                          f"delay/{rate}/p99_ms": found["delay_ns_p99"] / 1e6,
                          f"delay/{rate}/cpu_percent": found["consumer_cpu"] * 100,
                          f"delay/{rate}/disk_mib_per_s": found["disk_bytes_per_s"] / 2**20}


def database_bytes(suite):
    """Of a fixed seed, all files, after compaction."""
    for name, scenario in (("mix", "consumer_mix"), ("mix2", "consumer_mix_with_attributes"),
                           ("mix4", "consumer_mix_with_4_attributes")):
        if suite.short and name != "mix":
            continue
        with tempfile.TemporaryDirectory(prefix="spanring-bench-", dir="/var/tmp") as folder:
            found = json.loads(suite.run("gate_program", scenario, "--spans", "1000000",
                                         "--compacted", limit_s=120, env={"TMPDIR": folder}))
        suite.figures[f"bytes/{name}"] = found["bytes"] / found["units"]


def hipster(suite):
    """Bytes of recorded spans with foreign ids, after compaction."""
    recorded = os.path.join(os.environ.get("SPANRING_DATA", ""), "hipster.csv")
    if not os.path.isfile(recorded):
        raise NotMeasured("SKIPPED: set SPANRING_DATA to the folder of hipster.csv "
                          "(tests/e2e/README.md)")
    folder = tempfile.mkdtemp(prefix="spanring-bench-", dir="/var/tmp")
    rings = tempfile.mkdtemp(prefix="spanring-bench-", dir="/dev/shm")
    where = {"SPANRING_DIR": rings, "SPANRING_DB": f"{folder}/db"}
    try:
        suite.run("spanring", "up", env=where, limit_s=30)
        try:
            replayed = json.loads(suite.run("spanring", "replay", "--json", "--quiet", "--speed",
                                            "max", recorded, env=where, limit_s=90))
        finally:
            subprocess.run([os.path.join(suite.bin_dir, "spanring"), "down"], check=False,
                           env=os.environ | where, capture_output=True)
        if replayed["lost"] != 0:
            raise NotMeasured(f"{replayed['lost']} spans were lost")
        suite.run("spanring", "compact", env=where, quiet=True, limit_s=60)
        status = json.loads(suite.run("spanring", "status", "--json", env=where, ok=(0, 1)))
        total = sum(os.path.getsize(os.path.join(parent, name))
                    for parent, _, names in os.walk(f"{folder}/db") for name in names)
        suite.figures["bytes/hipster"] = total / status["spans"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(rings, ignore_errors=True)


def header(suite):
    """Compile time."""
    try:
        suite.figures["header/added_ms"] = header_time.added_ms(suite.compiler, suite.root)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotMeasured(str(error)) from error


def instructions(suite):
    """By callgrind: as the gate, without comparing."""
    if shutil.which("valgrind") is None:
        raise NotMeasured("SKIPPED: valgrind is not installed")
    try:
        found = gate.measure(os.path.join(suite.bin_dir, "gate_program"))
    except gate.Failed as error:
        raise NotMeasured(str(error)) from error
    suite.figures |= {name: value for name, value in found.items()
                      if name.startswith("instructions/")}


SHORT = (("database bytes", database_bytes), ("producer", tracer),
         ("latency of single calls", latency), ("LTTng-UST", lttng), ("Hipster replay", hipster),
         ("throughput, tight", throughput("tight")), ("throughput, mix", throughput("mix")),
         ("throughput, mix with attributes", throughput("mix2")), ("delay", delay))
ALL = (*SHORT[:4], ("spdlog", spdlog), ("consumer, offline", consumer), ("store", store),
       ("instructions", instructions), ("header", header), *SHORT[4:],
       ("throughput, two producers", throughput("tight_2_producers")), *process_steps.ALL)
