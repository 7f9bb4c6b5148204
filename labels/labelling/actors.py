"""Labelling in several processes, actors of Ray, which may be on other machines.

Each holds a model and makes one small share of the run after the other. Ray starts an actor again
whose process was lost; that a run survives its driver is the doing of its parts. What this is not:
a cluster; Ray is started on this machine unless one is named.
"""

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from labels.labelling.answerer import Answerer
from labels.labelling.run import label
from labels.labelling.settings import LabelSettings, Workers
from labels.labelling.sharing import Share
from labels.questions import QuestionSet

SHARES = 32
"""Shares for each worker: who is faster makes more of them."""

RETRIES = 20
"""How often a share goes on whose process was lost: what it asks may be what ends it."""

CONNECT_SECONDS = 10.0
"""Longest wait for the cluster that is named."""


def label_with_actors(
    questions: QuestionSet,
    opening: tuple[Callable[[], QuestionSet], Callable[[], Answerer]],
    folder: Path,
    settings: LabelSettings,
    workers: Workers,
    progress: bool = True,
) -> Path:
    """Do in several processes what `labels.labelling.run.label` does.

    Args:
        questions: what to ask.
        opening: what loads the questions again and opens the model, in each of them.
        folder: the run's. All machines see it, and what is read, under the same paths.
        settings: how to ask.
        workers: how many processes, and where.
        progress: whether to show a progress bar on stderr.

    Returns:
        The folder.
    """
    most = -(-len(questions.image_ids) // settings.images_per_part)
    size = min(most, SHARES * workers.workers)
    with _start_ray(workers) as ray:
        kind = ray.remote(
            num_cpus=1,
            num_gpus=workers.gpus_per_worker or 0,
            max_restarts=-1,
            max_task_retries=RETRIES,
        )(_Labeller)
        # In a tuple: what a bare reference stands for Ray would hand over with each call.
        recipe = (ray.put((os.getcwd(), opening, folder, settings)),)
        actors = [kind.remote() for _ in range(workers.workers)]
        done = _hand_out(ray, actors, recipe, [Share(rank, size) for rank in range(size)])
        for _ in tqdm(done, questions.name, size, unit=" shares", disable=not progress):
            pass
    return folder


class _Labeller:
    """An actor. It opens its model when first asked, so that what goes wrong comes as an answer."""

    def label(self, recipe: tuple[Any], share: Share | None) -> bool:
        """Make a share, or for None only open the model; tell whether a share was made."""
        questions, answerer, folder, settings = _open(recipe)
        if share is not None:
            label(questions, answerer, folder, settings, progress=False, share=share)
        return share is not None


@cache
def _open(recipe: tuple[Any]) -> tuple[QuestionSet, Answerer, Path, LabelSettings]:
    import ray

    here, (load_questions, open_answerer), folder, settings = ray.get(recipe[0])
    os.chdir(here)  # paths of the user's may be relative
    return load_questions(), open_answerer(), folder, settings


def _hand_out(
    ray: Any, actors: Sequence[Any], recipe: tuple[Any], shares: list[Share]
) -> Iterator[None]:
    left = len(shares)
    # Answer -> who gives it. On a busy cluster some actors start late, or never.
    awaited = {actor.label.remote(recipe, None): actor for actor in actors}
    while left:
        [answer], _ = ray.wait(list(awaited))
        actor = awaited.pop(answer)
        try:
            is_share = ray.get(answer)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error  # what was raised in the actor
        except ray.exceptions.RayError as error:
            raise OSError(
                f"a process was lost {RETRIES + 1} times at the same work, as where memory runs "
                "out; take fewer --workers, or a smaller --batch and --token-budget"
            ) from error
        if is_share:
            left -= 1
            yield
        if shares:
            awaited[actor.label.remote(recipe, shares.pop(0))] = actor


def _check_address(address: str | None) -> None:
    # Ray itself tries for minutes, and writes of it.
    host, colon, port = (address or "").rpartition(":")
    if colon and "/" not in host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()


@contextmanager
def _start_ray(workers: Workers) -> Iterator[Any]:
    cores = (os.cpu_count() or 1) // workers.workers
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores)))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Where others fill the memory, Ray would end the actors over and over.
    os.environ.setdefault("RAY_memory_monitor_refresh_ms", "0")
    import ray

    handler = signal.getsignal(signal.SIGTERM)
    try:
        _check_address(workers.ray)
        ray.init(
            address=workers.ray or "local",
            num_cpus=None if workers.ray else workers.workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (OSError, OverflowError, RuntimeError, ValueError, ImportError) as error:
        raise OSError(f"cannot use Ray at {workers.ray or 'this machine'}: {error}") from error
    try:
        signal.signal(signal.SIGTERM, handler)  # Ray's would end the process at once
        there = ray.cluster_resources().get("GPU", 0)
        if (workers.gpus_per_worker or 0) * workers.workers > there:
            raise ValueError(
                f"{workers.workers} workers with {workers.gpus_per_worker:g} GPUs each, and there "
                f"are {there:g}; a --gpus-per-worker below 1 shares them"
            )
        yield ray
    finally:
        ray.shutdown()
