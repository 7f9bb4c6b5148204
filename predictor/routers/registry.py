"""The routers by name; a new one is listed here and gets the contract test for free."""

from typing import TypeAlias

from predictor.routers.base import Router
from predictor.routers.blend import BlendRouter
from predictor.routers.boosted import BoostedRouter, BoostedSettings
from predictor.routers.constant import ConstantRouter
from predictor.routers.linear import LinearRouter, LinearSettings, OrdinalRouter
from predictor.routers.mlp import MlpRouter, MlpSettings
from predictor.routers.neighbours import NeighbourRouter, NeighbourSettings

RouterClass: TypeAlias = (
    type[BlendRouter]
    | type[BoostedRouter]
    | type[ConstantRouter]
    | type[LinearRouter]
    | type[MlpRouter]
    | type[NeighbourRouter]
)


ROUTERS: dict[str, RouterClass] = {
    BlendRouter.kind: BlendRouter,
    BoostedRouter.kind: BoostedRouter,
    ConstantRouter.kind: ConstantRouter,
    LinearRouter.kind: LinearRouter,
    MlpRouter.kind: MlpRouter,
    NeighbourRouter.kind: NeighbourRouter,
    OrdinalRouter.kind: OrdinalRouter,
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
    mlp: MlpSettings | None = None,
    neighbours: NeighbourSettings | None = None,
) -> Router:
    """Build an unfitted router.

    Args:
        name: one of `ROUTERS`.
        scales: the scales in column order [s].
        boosted: settings of the boosted router, the blend's too; its defaults if left out.
        linear: settings of the linear and the ordinal router; the defaults if left out.
        mlp: settings of the network, the blend's too; its defaults if left out.
        neighbours: settings of the neighbour router; its defaults if left out.

    Returns:
        The router.
    """
    found = router_class(name)
    if found is BlendRouter:
        return BlendRouter(scales, boosted, mlp)
    if found is BoostedRouter:
        return BoostedRouter(scales, boosted)
    if found is MlpRouter:
        return MlpRouter(scales, mlp)
    if found is NeighbourRouter:
        return NeighbourRouter(scales, neighbours)
    if found is ConstantRouter:
        return ConstantRouter(scales)
    return OrdinalRouter(scales, linear) if found is OrdinalRouter else LinearRouter(scales, linear)
