"""Servers in processes of their own, and many clients that ask them."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np

from labels.metrics.registry import score_answer
from labels.questions import Question, QuestionSet, format_question
from labels.sources.loading import load_questions
from m3_backbone.data_uris import write_data_uri
from scripts.benchmarks.serve.settings import ServeBenchSettings

SECONDS = 600.0
"""Longest time for one answer, and for a server to end."""


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes:
        name: what it calls its model.
        url: its address, /v1 included.
        process: its process.
    """

    name: str
    url: str
    process: "subprocess.Popen[str]"


@dataclass(frozen=True)
class Reply:
    """One answer as its client saw it.

    Attributes:
        seconds: from asking to the whole answer.
        text: the answer.
        visual_tokens: those that were read.
    """

    seconds: float
    text: str
    visual_tokens: int


@contextmanager
def start_server(settings: ServeBenchSettings, *options: str) -> Iterator[Server]:
    """Start a server on a free port, and end it with the block.

    Args:
        settings: model and router.
        options: further options of `m3scale serve`, such as the operating point.

    Yields:
        The server, once it listens.

    Raises:
        OSError: if it does not start.
    """
    command = [sys.executable, "-m", "scripts.cli", "serve", "--port", "0"]
    command += ["--model", settings.model, "--router", settings.router]
    command += ["--device", settings.device, "--dtype", settings.dtype]
    command += ["--max-requests", str(2 * settings.clients), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("serving "):
                raise OSError(f"no server starts by {' '.join(command)}")
            _, name, _, url = line.split()
            yield Server(name, url, process)
        finally:
            process.terminate()
            process.wait(SECONDS)


def write_bodies(asked: QuestionSet, name: str, max_new_tokens: int) -> list[dict[str, Any]]:
    """Write the request of each question.

    Args:
        asked: the questions.
        name: what the server calls its model.
        max_new_tokens: longest answer.
    """
    urls = {one: write_data_uri(asked.image(one)) for one in asked.image_ids}
    return [
        {
            "model": name,
            "max_tokens": max_new_tokens,
            "messages": [{"role": "user", "content": _write_content(one, urls[one.image_id])}],
        }
        for one in asked
    ]


def _write_content(question: Question, url: str) -> list[dict[str, Any]]:
    image = {"type": "image_url", "image_url": {"url": url}}
    return [image, {"type": "text", "text": format_question(question)}]


async def ask_all(server: Server, bodies: Sequence[dict[str, Any]], clients: int) -> list[Reply]:
    """Ask everything, as many requests at once as there are clients.

    Args:
        server: who is asked.
        bodies: what is asked.
        clients: how many ask.

    Returns:
        Replies in the order of the bodies.

    Raises:
        OSError: if one is no answer.
    """
    waiting = iter(enumerate(bodies))
    replies: dict[int, Reply] = {}
    limits = httpx2.Limits(max_connections=clients)
    async with httpx2.AsyncClient(timeout=SECONDS, limits=limits, trust_env=False) as http:

        async def be_client() -> None:
            for number, body in waiting:
                start = time.perf_counter()
                answer = await http.post(f"{server.url}/chat/completions", json=body)
                answer.raise_for_status()
                replies[number] = _read_reply(time.perf_counter() - start, answer.json())

        try:
            await asyncio.gather(*(be_client() for _ in range(clients)))
        except httpx2.HTTPError as error:
            raise OSError(f"{server.url} did not answer: {error}") from error
    return [replies[number] for number in range(len(bodies))]


def _read_reply(seconds: float, answer: dict[str, Any]) -> Reply:
    text = answer["choices"][0]["message"]["content"]
    return Reply(seconds, text, answer["m3scale"]["visual_tokens"])


def measure_load(settings: ServeBenchSettings) -> dict[str, list[dict[str, float]]]:
    """Load an adaptive server and one at the largest scale, in turns.

    Args:
        settings: load and servers.

    Returns:
        Name of the way -> its rounds.
    """
    # A limit of the built-in benchmark counts images.
    asked = load_questions(settings.source, limit=settings.questions)[: settings.questions]
    largest = str(_find_largest(settings))
    adaptive = ("--budget", str(settings.budget))
    with (
        start_server(settings, *adaptive) as one,
        start_server(settings, "--scale", largest) as other,
    ):
        ways = {f"adaptive, {settings.budget:g}": one, f"always {largest}": other}
        bodies = write_bodies(asked, one.name, settings.max_new_tokens)
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
        for number in range(settings.rounds + 1):
            # In turns, so that a machine that slows down slows both; the first warms up.
            for name, server in ways.items():
                few = bodies if number else bodies[: settings.clients]
                start = time.perf_counter()
                replies = asyncio.run(ask_all(server, few, settings.clients))
                if number:
                    rounds[name].append(_sum_up(replies, asked, time.perf_counter() - start))
    return rounds


def _find_largest(settings: ServeBenchSettings) -> int:
    from predictor.bundle.hub import open_router

    return int(open_router(settings.router).scales[-1])


def _sum_up(replies: Sequence[Reply], asked: QuestionSet, seconds: float) -> dict[str, float]:
    times = [1000 * reply.seconds for reply in replies]
    scores = [score_answer(reply.text, one) for reply, one in zip(replies, asked, strict=True)]
    p50, p95, p99 = np.percentile(times, [50, 95, 99]).tolist()
    return {
        "requests": len(replies),
        "per_second": len(replies) / seconds,
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "accuracy": float(np.mean([score.score for score in scores])),
        "visual_tokens": float(np.mean([reply.visual_tokens for reply in replies])),
    }
