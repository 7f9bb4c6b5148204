"""What /metrics shows, in Prometheus' format."""

from collections.abc import Mapping, Sequence
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from scripts.serving.concurrency import ConcurrencyLimiter
from scripts.serving.drift import ScaleDrift
from scripts.serving.upstreams.servers import Upstream

SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class Metrics:
    """Counts and times of one server; a registry of its own, so that two do not mix.

    Attributes:
        drift: compares the scales of the last answers with the calibration split's; None where the
            router does not keep what is needed.
    """

    def __init__(
        self,
        scales: Sequence[int],
        limiter: ConcurrencyLimiter,
        drift: ScaleDrift | None = None,
        servers: Sequence[Upstream] = (),
    ) -> None:
        """Begin at zero.

        Args:
            scales: the model's scales.
            limiter: its active requests are shown.
            drift: see above.
            servers: the upstreams.
        """
        self.drift = drift
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._responses = Counter(
            "m3scale_responses", "Chat requests by HTTP status.", ["status"], registry=registry
        )
        self._scale = Histogram(
            "m3scale_scale",
            "Scale of each answer [visual tokens per image crop].",
            buckets=list(scales),
            registry=registry,
        )
        self._tokens = Counter(
            "m3scale_visual_tokens", "Visual tokens that were read.", registry=registry
        )
        self._saved = Counter(
            "m3scale_visual_tokens_saved",
            "Visual tokens that always the largest scale would have read beyond them.",
            registry=registry,
        )
        self._unfamiliar = Counter(
            "m3scale_unfamiliar",
            "Answers at the largest scale because their input is unlike the training split.",
            registry=registry,
        )
        self._stages = Histogram(
            "m3scale_stage_seconds",
            "Time of an answer's stages; total holds all of them.",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self._show_active(limiter)
        if drift is not None:
            self._show_drift(drift)
        if servers:
            self._show_servers(servers)

    def _show_active(self, limiter: ConcurrencyLimiter) -> None:
        active = Gauge(
            "m3scale_requests_in_progress",
            "Requests that are being answered, or wait for it.",
            registry=self._registry,
        )
        active.set_function(lambda: limiter.active)

    def _show_drift(self, drift: ScaleDrift) -> None:
        distance = Gauge(
            "m3scale_scale_drift",
            "Total variation distance between the scales of the last answers at the server's own "
            "operating point and those of the calibration split, 0 to 1.",
            registry=self._registry,
        )
        distance.set_function(drift.distance)
        answers = Gauge(
            "m3scale_scale_drift_answers", "Answers that it looks at.", registry=self._registry
        )
        answers.set_function(lambda: len(drift))

    def _show_servers(self, servers: Sequence[Upstream]) -> None:
        up = Gauge(
            "m3scale_upstream_up", "Whether an upstream is up.", ["url"], registry=self._registry
        )
        for server in servers:
            up.labels(server.url).set_function(partial(getattr, server, "up"))

    def count_response(self, status: int) -> None:
        """Note how a chat request ended."""
        self._responses.labels(str(status)).inc()

    def count_answer(
        self, scale: int, tokens: int, largest: int, unfamiliar: bool, is_default: bool
    ) -> None:
        """Note an answer.

        Args:
            scale: its scale.
            tokens: visual tokens that were read.
            largest: visual tokens at the largest scale.
            unfamiliar: whether the router did not know its way.
            is_default: whether the server's own operating point chose.
        """
        self._scale.observe(scale)
        self._tokens.inc(tokens)
        self._saved.inc(max(0, largest - tokens))
        self._unfamiliar.inc(unfamiliar)
        if self.drift is not None and is_default and not unfamiliar:
            self.drift.add(scale)

    def count_times(self, seconds: Mapping[str, float]) -> None:
        """Note how long the stages of an answer took [seconds]."""
        for stage, one in seconds.items():
            self._stages.labels(stage).observe(one)

    def show(self) -> bytes:
        """Give the page."""
        return generate_latest(self._registry)
