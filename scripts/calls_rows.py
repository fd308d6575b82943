"""The figures of bench-calls.sh. Waits in ms come in order on stdin; arguments: samples of calls and KiB, ms of CPU, calls that took them,
and how many times slower this machine is than the design's, of which the goal for CPU is."""

import sys

samples = [tuple(map(float, line.split())) for line in open(sys.argv[1])]
waits = [float(line) for line in sys.stdin]
setup = float(sys.argv[2]) / float(sys.argv[3])
slower = float(sys.argv[4])


def row(name, value, unit, floor):
    print(f"{name} {value:.2f} {unit} {floor:.4g} {value / floor:.3f}")


row("calls_answered_p50", waits[len(waits) // 2], "ms", 200)
row("calls_answered_p95", waits[len(waits) * 95 // 100], "ms", 200)
row("calls_setup_cpu", setup, "ms", 0.5 * slower)
# Messages and transactions are kept for 32 s (RFC 3261): what the first rounds hold is not left behind.
later = samples[len(samples) // 2 :]
if len(later) > 2:
    mean_x = sum(x for x, _ in later) / len(later)
    mean_y = sum(y for _, y in later) / len(later)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in later) / sum((x - mean_x) ** 2 for x, _ in later)
    row("calls_growth", slope * 1024, "bytes_per_call", 100)
print(f"# {len(waits)} calls, resident {samples[0][1]:.0f} KiB after the first round, {samples[-1][1]:.0f} KiB after the last", file=sys.stderr)
