#!/usr/bin/env python3
"""One row of a table from a report of `plenum load --json` on standard input: load_row.py LABEL GOAL_PER_LEG [SLOWER], or load_row.py --head

The goal is in per cent of one core per leg on the design's machine; `-` for none. SLOWER is how many times slower this machine is than that one,
and `of goal` the part of the goal, so much larger, that was taken. ms/join is the server's CPU time until all were in, media included, per leg.
"""

import json
import sys

COLUMNS = (
    ("load", 34),
    ("legs", 5),
    ("CPU %", 6),
    ("%/leg", 6),
    ("goal", 5),
    ("slower", 6),
    ("of goal", 7),
    ("KiB/leg", 7),
    ("loss %", 6),
    ("gaps", 5),
    ("missed", 11),
    ("join p95", 8),
    ("ms/join", 7),
    ("delay p50/p95", 13),
    ("gen. %", 6),
    ("late %", 6),
)


def line(cells):
    widths = [width for _, width in COLUMNS]
    text = (f"{cell:<{width}}" if place == 0 else f"{cell:>{width}}" for place, (cell, width) in enumerate(zip(cells, widths)))
    print("  ".join(text), flush=True)


def spread(report, key, form):
    return form.format(**report[key]) if report[key] else "-"


def main():
    if sys.argv[1:] == ["--head"]:
        line([name for name, _ in COLUMNS])
        return
    if len(sys.argv) not in (3, 4):
        raise SystemExit(__doc__)
    label, goal = sys.argv[1:3]
    slower = float(sys.argv[3]) if len(sys.argv) == 4 else None
    report = json.load(sys.stdin)
    legs = report["browsers"] + report["phones"]
    server = report["server"]
    if report["joined"] < legs:
        label += f" ({report['joined']} heard)"
    misses = "-" if report["ticks"] is None else f"{report['deadline_misses']}/{report['ticks']}"
    joins = report["join_browsers_ms"] or report["join_phones_ms"]
    line(
        [
            label,
            legs,
            f"{server['cpu_percent']:.1f}" if server else "-",
            f"{server['cpu_percent_per_leg']:.3f}" if server else "-",
            goal,
            f"{slower:.1f}x" if slower else "-",
            f"{server['cpu_percent_per_leg'] / (float(goal) * slower):.2f}" if server and slower and goal != "-" else "-",
            f"{server['rss_kib_per_leg']:.0f}" if server else "-",
            f"{report['lost_percent']:.3f}",
            report["gaps"],
            misses,
            f"{joins['p95']:.0f} ms" if joins else "-",
            f"{server['join_cpu_seconds'] / legs * 1000:.1f}" if server else "-",
            spread(report, "delay_ms", "{p50:.0f}/{p95:.0f} ms"),
            f"{report['generator_cpu_percent']:.1f}",
            f"{report['generator_late_percent']:.2f}",
        ]
    )


if __name__ == "__main__":
    main()
