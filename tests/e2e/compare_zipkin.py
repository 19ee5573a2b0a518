#!/usr/bin/env python3
"""Compares an export with the Zipkin v2 JSON that was replayed, as multisets of whole spans.

usage: compare_zipkin.py FILE.json EXPORT.jsonl

Exit 0: equal; 1: different; 2: bad input.
"""

import json
import sys

import multiset


def endpoint(span, key, prefix, service_key, attributes):
    end = span.get(key) or {}
    if service_key and end.get("serviceName"):
        attributes[service_key] = end["serviceName"]
    address = end.get("ipv4") or end.get("ipv6")
    if address:
        attributes[prefix + ".ip"] = address
    if end.get("port"):
        attributes[prefix + ".port"] = end["port"]


def row(span):
    return json.dumps(span, sort_keys=True)


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
    return row({
        "trace_id": span["traceId"].lower(), "span_id": span["id"].lower(),
        "parent_id": (span.get("parentId") or "").lower(), "name": span.get("name", ""),
        "service": (span.get("localEndpoint") or {}).get("serviceName", "unknown_service"),
        "kind": span.get("kind", "UNSET").lower(), "start_ns": nanoseconds("timestamp"),
        "duration_ns": nanoseconds("duration"), "attributes": attributes, "events": sorted(events),
        "status": "error" if "error" in span.get("tags", {}) else "unset",
    })


def row_of_span(span):
    keys = ("trace_id", "span_id", "parent_id", "name", "service", "kind", "start_ns",
            "duration_ns", "attributes", "status")
    found = {key: span[key] for key in keys}
    found["events"] = sorted((event["name"], event["time_ns"]) for event in span["events"])
    return row(found)


def spans_in(document):
    for item in document:
        if isinstance(item, list):
            yield from item
        else:
            yield item


def rows_of_file(path):
    with open(path, encoding="utf-8") as file:
        yield from map(expected_of, spans_in(json.load(file)))


if __name__ == "__main__":
    sys.exit(multiset.main(__doc__, rows_of_file, row_of_span))
