#!/usr/bin/env python3
"""Compares an export with the Zipkin v2 JSON that was replayed, as multisets of whole spans.

usage: compare_zipkin.py FILE.json EXPORT.jsonl

Exit 0: equal; 1: different; 2: bad input.
"""

import json
import sys
from collections import Counter


def endpoint(span, key, prefix, service_key, attributes):
    end = span.get(key) or {}
    if service_key and end.get("serviceName"):
        attributes[service_key] = end["serviceName"]
    address = end.get("ipv4") or end.get("ipv6")
    if address:
        attributes[prefix + ".ip"] = address
    if end.get("port"):
        attributes[prefix + ".port"] = end["port"]


def expected_of(span):
    attributes = {}
    endpoint(span, "localEndpoint", "net.host", None, attributes)
    endpoint(span, "remoteEndpoint", "net.peer", "peer.service", attributes)
    attributes.update(span.get("tags", {}))
    if "shared" in span:
        attributes["zipkin.shared"] = span["shared"]
    if "debug" in span:
        attributes["zipkin.debug"] = span["debug"]
    events = [(note["value"], note["timestamp"] * 1000) for note in span.get("annotations", [])]
    nanoseconds = lambda key: None if span.get(key) is None else span[key] * 1000
    return {
        "trace_id": span["traceId"].lower(), "span_id": span["id"].lower(),
        "parent_id": (span.get("parentId") or "").lower(), "name": span.get("name", ""),
        "service": (span.get("localEndpoint") or {}).get("serviceName", "unknown_service"),
        "kind": span.get("kind", "UNSET").lower(), "start_ns": nanoseconds("timestamp"),
        "duration_ns": nanoseconds("duration"), "attributes": attributes, "events": sorted(events),
        "status": "error" if "error" in span.get("tags", {}) else "unset",
    }


def found_of(span):
    for key in ("unfinished", "end_lost", "truncated", "dropped"):
        if key in span:
            raise ValueError(f"a replayed span has {key}: {span}")
    keys = ("trace_id", "span_id", "parent_id", "name", "service", "kind", "start_ns",
            "duration_ns", "attributes", "status")
    found = {key: span[key] for key in keys}
    found["events"] = sorted((event["name"], event["time_ns"]) for event in span["events"])
    return found


def spans_in(document):
    for item in document:
        if isinstance(item, list):
            yield from item
        else:
            yield item


def counted(spans):
    return Counter(json.dumps(span, sort_keys=True) for span in spans)


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            expected = counted(map(expected_of, spans_in(json.load(file))))
        with open(sys.argv[2], encoding="utf-8") as file:
            found = counted(found_of(json.loads(line)) for line in file)
    except (OSError, KeyError, ValueError) as error:
        print(f"compare_zipkin: {error!r}", file=sys.stderr)
        return 2
    print(f"file   {expected.total():6,} spans, {len(expected):6,} distinct")
    print(f"export {found.total():6,} spans, {len(found):6,} distinct")
    missing, extra = expected - found, found - expected
    for what, spans in (("missing", missing), ("not in the file", extra)):
        for span, count in list(spans.items())[:3]:
            print(f"{what} ×{count}: {span}")
    if missing or extra:
        print(f"DIFFERENT: {missing.total()} missing, {extra.total()} not in the file")
        return 1
    print("equal as multisets")
    return 0


if __name__ == "__main__":
    sys.exit(main())
