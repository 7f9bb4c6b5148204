"""How long routers take: one as it stands, and several beside each other."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predictor.bundle.bundle import RouterBundle
from predictor.data import FloatArray, TrainData
from predictor.policy.budgets import choose

TIMED_CALLS = 25
"""Timed calls of the router of the report; of the other kinds, a fifth of them."""

BATCH = 64
"""Questions of a batch that is timed."""

ROUNDS = 30
"""Calls of each of several routers."""


def measure_router(
    bundle: RouterBundle, data: TrainData, repeats: int = TIMED_CALLS
) -> dict[str, float]:
    """Measure how long a router takes and how large it is.

    Args:
        bundle: the router.
        data: rows to route.
        repeats: timed calls of each kind; the median counts.

    Returns:
        `router_ms` per question in a batch of 64 and `router_ms_single` alone, features and
        choice included [milliseconds], `router_mb` saved [1e6 bytes].
    """
    single = _time_calls(bundle, data.take(np.arange(1)), repeats)
    batch = _time_calls(bundle, data.take(np.arange(BATCH) % len(data)), repeats)
    return {
        "router_ms": round(batch / BATCH, 4),
        "router_ms_single": round(single, 4),
        "router_mb": round(bundle.size_bytes() / 1e6, 4),
    }


def _time_calls(bundle: RouterBundle, data: TrainData, repeats: int) -> float:
    seconds = []
    for _ in range(repeats + 3):
        start = time.perf_counter()
        choose(bundle.predict_proba(data.coarse, data.question, data.extras), data.tokens, 1e-3)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[3:]) * 1000)  # the first calls warm caches up


@dataclass(frozen=True)
class Times:
    """What several routers take for a question [ms].

    Attributes:
        least: least time of each router [r].
        noise: how far the least times of two halves of the rounds are apart, for the router where
            they are farthest.
    """

    least: FloatArray
    noise: float


def time_in_turn(bundles: Sequence[RouterBundle], data: TrainData) -> Times:
    """Time features and P(correct) of several routers, in batches of 64.

    Each in turn, so that what else a machine does strikes all alike; the least time of a router is
    the one that least of it has struck.
    """
    batch = data.take(np.arange(BATCH) % len(data))
    seconds = np.empty((ROUNDS, len(bundles)))
    for times in seconds:
        for k, bundle in enumerate(bundles):
            start = time.perf_counter()
            rows = bundle.features.transform(batch.coarse, batch.question, batch.extras)
            bundle.router.predict_proba(rows)
            times[k] = time.perf_counter() - start
    ms = seconds * 1000 / BATCH
    halves = np.abs(ms[::2].min(axis=0) - ms[1::2].min(axis=0))
    return Times(ms.min(axis=0), float(halves.max()))
