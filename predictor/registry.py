"""The routers by name; a new one is listed here and gets the contract test for free."""

from typing import TypeAlias

from predictor.boosted import BoostedRouter, BoostedSettings
from predictor.interface import Router
from predictor.linear import LinearRouter, LinearSettings

RouterClass: TypeAlias = type[BoostedRouter] | type[LinearRouter]

ROUTERS: dict[str, RouterClass] = {
    BoostedRouter.kind: BoostedRouter,
    LinearRouter.kind: LinearRouter,
}


def router_class(name: str) -> RouterClass:
    """Look a router up.

    Args:
        name: one of `ROUTERS`.

    Returns:
        Its class.

    Raises:
        ValueError: if there is no router of that name.
    """
    if name not in ROUTERS:
        raise ValueError(f"router must be one of {sorted(ROUTERS)}, got {name!r}")
    return ROUTERS[name]


def make_router(
    name: str,
    scales: tuple[int, ...],
    *,
    boosted: BoostedSettings | None = None,
    linear: LinearSettings | None = None,
) -> Router:
    """Build an unfitted router.

    Args:
        name: one of `ROUTERS`.
        scales: the scales in column order [s].
        boosted: settings of the boosted router; its defaults if left out.
        linear: settings of the linear router; its defaults if left out.

    Returns:
        The router.
    """
    if router_class(name) is LinearRouter:
        return LinearRouter(scales, linear)
    return BoostedRouter(scales, boosted)
