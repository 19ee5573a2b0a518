#!/usr/bin/env python3
"""A run's figures as Markdown, and the README's table.

usage: report.py RESULTS.json README.md    writes the table between the README's markers
"""

import json
import sys

from goals import GOALS, OTHERS, PREFIXES_SHOWN, number

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
_MET = {True: "yes", False: "**no**", None: "not measured"}


def _row(cells):
    return "| " + " | ".join(cells) + " |"


def _value(goal, figures):
    value = goal.value(figures)
    if value is None:
        return "–"
    return {"ratio": f"{value:.2f}", "minus": f"{value:+.2f}", "": "–"}[goal.how]


def table(figures, goals):
    """Returns the lines of the table: goal, floor, ours, each peer, ratio or difference, met."""
    peers = sorted({peer for goal in GOALS for peer, _ in goal.peers})
    lines = [_row(["figure", "unit", "goal", "floor", "ours", *peers, "÷ or − floor", "met"]),
             _row(["---"] * (7 + len(peers)))]
    for goal in goals:
        theirs = dict(goal.peers)
        lines.append(_row([goal.title, goal.unit, goal.limit_text(),
                           number(figures.get(goal.floor)), number(figures.get(goal.ours)),
                           *(number(figures.get(theirs.get(peer))) for peer in peers),
                           _value(goal, figures), _MET[goal.met(figures)]]))
    return lines


def markdown(results):
    """Returns the whole report of a run."""
    figures, machine = results["figures"], results["machine"]
    lines = ["# Benchmarks", "",
             f"{machine['when']} · {machine['processor']} · {machine['cores']} cores · "
             f"{machine['kernel']} · {machine['compiler']} · commit {machine['commit']}", ""]
    if results["notes"]:
        lines += ["What this run could not measure, or only disturbed:", "",
                  *(f"- {note}" for note in results["notes"]), ""]
    lines += [*table(figures, GOALS), "", "Without a goal:", "", _row(["figure", "value"]),
              _row(["---"] * 2)]
    shown = [name for name in OTHERS if name in figures]
    shown += sorted(name for name in figures if name.startswith(PREFIXES_SHOWN))
    lines += [_row([name, number(figures[name])]) for name in shown]
    return "\n".join(lines) + "\n"


def with_table(readme, results):
    """Returns the README with the table of this run between its markers. Raises ValueError."""
    before, found, rest = readme.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not found or not closed or BEGIN in after or END in after:
        raise ValueError(f"the README needs one '{BEGIN}' and behind it one '{END}'")
    machine = results["machine"]
    text = [f"Measured in one run of `tools/dev bench`, {machine['when']}, on "
            f"{machine['cores']} cores of {machine['processor']}; compare ratios, not times.", "",
            *table(results["figures"], [goal for goal in GOALS if goal.in_readme])]
    if results["notes"]:
        text += ["", "The machine was not quiet, or something was missing; "
                     "see `bench/results/latest.md`."]
    return before + BEGIN + "\n" + "\n".join(text) + "\n" + END + after


def main(arguments):
    """Returns the exit status."""
    if len(arguments) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    try:
        with open(arguments[0], encoding="utf-8") as file:
            results = json.load(file)
        with open(arguments[1], encoding="utf-8") as file:
            readme = with_table(file.read(), results)
    except (OSError, ValueError) as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    with open(arguments[1], "w", encoding="utf-8") as file:
        file.write(readme)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
