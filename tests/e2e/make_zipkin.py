#!/usr/bin/env python3
"""Writes a Zipkin v2 JSON array: stands in for the production trace where that is absent.

usage: make_zipkin.py SPANS > FILE.json

64-bit and 128-bit ids, shared spans, absent times, tags, annotations, endpoints. Always the same.
"""

import json
import random
import sys


def make_span(dice, trace, parents):
    span = {"traceId": trace, "id": f"{dice.getrandbits(64) | 1:016x}"}
    if parents:
        span["parentId"] = dice.choice(parents)
    if dice.random() < 0.9:
        span["name"] = dice.choice(["get /", "post /events", "größe", "receive"])
    if dice.random() < 0.7:
        span["kind"] = dice.choice(["CLIENT", "SERVER", "PRODUCER", "CONSUMER"])
    if dice.random() < 0.8:
        span["timestamp"] = 1543549826259342 + dice.randint(0, 10**9)
    if dice.random() < 0.7:
        span["duration"] = dice.randint(1, 10**6)
    service = dice.choice(["api", "pusher", "oreck", "hub"])
    span["localEndpoint"] = {"serviceName": service, "ipv4": "10.1.2.3", "port": 80}
    if dice.random() < 0.4:
        span["remoteEndpoint"] = {"serviceName": "bouncer", "ipv6": "fe80::1", "port": 8197}
    if dice.random() < 0.6:
        keys = dice.sample(["http.path", "lc", "error", "größe"], 2)
        span["tags"] = {key: f"value {dice.randint(0, 99)}" for key in keys}
    if dice.random() < 0.4:
        span["annotations"] = [{"timestamp": 1543549826261000 + i, "value": f"note {i}"}
                               for i in range(3)]
    if dice.random() < 0.2:
        span["shared"] = True
    return span


def main():
    count, dice, spans = int(sys.argv[1]) if len(sys.argv) == 2 else 500, random.Random(2018), []
    while len(spans) < count:
        short = dice.random() < 0.5
        trace = f"{dice.getrandbits(64) | 1:016x}" if short else f"{dice.getrandbits(128) | 1:032x}"
        parents = []
        for _ in range(min(dice.randint(1, 20), count - len(spans))):
            span = make_span(dice, trace, parents)
            parents.append(span["id"])
            spans.append(span)
    json.dump(spans, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
