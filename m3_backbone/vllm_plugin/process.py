"""vLLM's engine on the language model of a checkpoint, for whole answers and for streams.

The engine belongs to one event loop, which runs in a thread of its own; callers may be anywhere.
"""

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from m3_backbone.foreign import third_party

T = TypeVar("T")

BLOCK = 32
"""Tokens of a block of vLLM's cache on a CPU: with its default, 128, few images share a block."""


class VllmProcess:
    """Reads prompts, many at a time."""

    def __init__(self, folder: Path, dtype: str, changes: Mapping[str, Any] | None = None) -> None:
        """Start vLLM.

        Args:
            folder: the checkpoint.
            dtype: number format, such as `bfloat16`.
            changes: settings of vLLM that are to be others than here.
        """
        self._engine = _start(folder, dtype, changes or {})
        self._numbers = count()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="vllm", daemon=True).start()
        # At exit, but before the parts are gone that vLLM needs to end its own processes.
        atexit.register(self.close)

    def close(self) -> None:
        """End vLLM's processes; nothing can be read any more."""
        atexit.unregister(self.close)
        engine, self._engine = self._engine, None
        engine.shutdown()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def run(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Do work in vLLM's event loop; the future's `result` waits for it, `cancel` ends it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def read(self, requests: Sequence[Any], options: dict[str, Any]) -> list[Any]:
        """Read prompts to their ends.

        Args:
            requests: prompts as vLLM takes them.
            options: those of vLLM's sampling.

        Returns:
            What vLLM gives of each prompt.
        """

        async def read_all() -> list[Any]:
            return await asyncio.gather(*(self._read(one, options) for one in requests))

        return self.run(read_all()).result()

    async def follow(self, request: Any, options: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """Read a prompt, in vLLM's event loop.

        Args:
            request: the prompt.
            options: those of vLLM's sampling.

        Yields:
            What there is of its answer so far, whenever there is more. Who closes the iterator ends
            the answer.
        """
        from vllm import SamplingParams

        sampling = SamplingParams(detokenize=False, **options)
        answer = self._engine.generate(request, sampling, str(next(self._numbers)))
        with third_party("vLLM gave no answer"):
            async with aclosing(answer):
                async for output in answer:
                    yield output

    async def _read(self, request: Any, options: dict[str, Any]) -> Any:
        last = None
        async for output in self.follow(request, options):
            last = output
        return last


def _start(folder: Path, dtype: str, changes: Mapping[str, Any]) -> Any:
    # Results go to stdout, and vLLM would write its log there.
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    from vllm import AsyncEngineArgs
    from vllm.platforms import current_platform
    from vllm.v1.engine.async_llm import AsyncLLM

    # Compiling takes minutes on a CPU.
    small = {"block_size": BLOCK, "enforce_eager": True} if current_platform.is_cpu() else {}
    settings: dict[str, Any] = {
        "model": str(folder),
        "dtype": dtype,
        # No pixels, so vLLM opens no tower.
        "limit_mm_per_prompt": {"image": 0},
        "enable_mm_embeds": True,
        "disable_log_stats": True,
        **small,
        **changes,
    }
    with third_party(f"vLLM cannot open {folder}"):
        return AsyncLLM.from_engine_args(AsyncEngineArgs(**settings))
