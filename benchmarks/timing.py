"""Timing that the benchmarks share: several ways of doing a thing, taken in turns within one process.

Two clocks run side by side. Wall time is what a user waits; CPU time of this process, all its threads, is what can be
trusted on a machine that does other work at the same time. Ratios are medians over rounds of the ratio within a round,
so that what slows a whole round down cancels out; the order within a round is random, since what comes after another
action finds the caches that it left.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "CPU": time.process_time}


@dataclass
class Times:
    """Seconds of one action in every round, by clock."""

    rounds: dict[str, list[float]] = field(default_factory=lambda: {clock: [] for clock in CLOCKS})

    def median(self, clock: str = "CPU") -> float:
        """Return the median over rounds in seconds."""
        return statistics.median(self.rounds[clock])

    def ratio(self, baseline: Times, clock: str = "CPU") -> float:
        """Return the median over rounds of this action's time in units of the baseline's."""
        return statistics.median(self.ratios(baseline, clock))

    def ratio_interval(self, baseline: Times, clock: str = "CPU") -> tuple[float, float]:
        """Return the 95 % bootstrap interval of `ratio` over rounds."""
        found, generator = self.ratios(baseline, clock), random.Random(0)
        medians = sorted(statistics.median(generator.choices(found, k=len(found))) for _ in range(1000))
        return medians[24], medians[-25]

    def ratios(self, baseline: Times, clock: str = "CPU") -> list[float]:
        """Return this action's time in units of the baseline's in every round."""
        return [a / b for a, b in zip(self.rounds[clock], baseline.rounds[clock], strict=True)]


def time_call(action: Callable[[], object], synchronise: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Return the seconds that a call takes, by clock.

    Args:
        action: what is timed.
        synchronise: waits for a device that works on its own.
    """
    synchronise()
    before = {clock: read() for clock, read in CLOCKS.items()}
    action()
    synchronise()
    return {clock: read() - before[clock] for clock, read in CLOCKS.items()}


def in_turns(
    actions: Mapping[str, Callable[[], object]],
    rounds: int,
    warm_up: int = 1,
    synchronise: Callable[[], None] = lambda: None,
) -> dict[str, Times]:
    """Time several actions in turns, in another random order in each round.

    Args:
        actions: by name.
        rounds: how often each is timed.
        warm_up: rounds before that, which fill caches.
        synchronise: waits for a device that works on its own.
    """
    times = {name: Times() for name in actions}
    order, generator = list(actions), random.Random(0)
    for number in range(warm_up + rounds):
        generator.shuffle(order)
        for name in order:
            for clock, seconds in time_call(actions[name], synchronise).items():
                if number >= warm_up:
                    times[name].rounds[clock].append(seconds)
    return times


def show(times: Mapping[str, Times], baseline: str) -> None:
    """Print a line for each action with its ratio to the baseline on both clocks."""
    width = max(map(len, times))
    for name, found in times.items():
        seconds = ", ".join(f"{1e3 * found.median(clock):10.2f} ms {clock}" for clock in CLOCKS)
        ratios = ", ".join(_ratio(found, times[baseline], clock) for clock in CLOCKS)
        print(f"  {name:{width}} {seconds}; ratio to {baseline}: {ratios}", flush=True)


def _ratio(times: Times, baseline: Times, clock: str) -> str:
    low, high = times.ratio_interval(baseline, clock)
    return f"{times.ratio(baseline, clock):.3f} ({low:.3f} to {high:.3f}) {clock}"
