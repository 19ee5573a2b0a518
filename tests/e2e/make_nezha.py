#!/usr/bin/env python3
"""Writes a CSV of the nezha format: stands in for the recorded file where that is absent.

usage: make_nezha.py ROWS > FILE.csv

Ten pods, traces of up to 30 spans, some rows twice (as in the recorded data). Always the same.
"""

import random
import sys

PODS = ["adservice-5f65-aaaaa", "cartservice-579f-bbbbb", "checkoutservice-578f-ccccc",
        "currencyservice-cf78-ddddd", "emailservice-55fd-eeeee", "frontend-579b-fffff",
        "paymentservice-9cdb-ggggg", "productcatalogservice-668d-hhhhh",
        "recommendationservice-6cfd-iiiii", "shippingservice-7b59-jjjjj"]
HEADER = "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration"


def main():
    rows = int(sys.argv[1]) if len(sys.argv) == 2 else 20000
    dice = random.Random(20220822)
    print(HEADER)
    written, clock = 0, 1661140374351773094
    while written < rows:
        trace, spans = f"{dice.getrandbits(128):032x}", []
        for _ in range(min(dice.randint(1, 30), rows - written)):
            span = f"{dice.getrandbits(64):016x}"
            parent = dice.choice(spans) if spans else "root"
            start = clock + dice.randint(0, 5_000_000)
            duration = dice.randint(0, 20_000_000)
            spans.append(span)
            pod, call = dice.choice(PODS), dice.randint(0, 40)
            line = (f"{trace},{span},{parent},{pod},hipstershop.Demo/Call{call},"
                    f"{start},{start + duration},{duration // 1000}")
            print(line)
            written += 1
            if dice.random() < 0.01 and written < rows:
                print(line)
                written += 1
        clock += dice.randint(0, 3_000_000)
    return 0


if __name__ == "__main__":
    sys.exit(main())
