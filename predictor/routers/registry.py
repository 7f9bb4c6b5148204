"""The routers by name; a new one is listed here and gets the contract test for free."""

from predictor.routers.base import Router
from predictor.routers.blend import BlendRouter
from predictor.routers.boosted import BoostedRouter, BoostedSettings
from predictor.routers.constant import ConstantRouter
from predictor.routers.linear import LinearRouter, LinearSettings, OrdinalRouter
from predictor.routers.mlp import MlpRouter, MlpSettings
from predictor.routers.neighbours import NeighbourRouter, NeighbourSettings

KINDS: tuple[type[Router], ...] = (
    BlendRouter,
    BoostedRouter,
    ConstantRouter,
    LinearRouter,
    MlpRouter,
    NeighbourRouter,
    OrdinalRouter,
)

ROUTERS = {router.kind: router for router in KINDS}


def router_class(name: str) -> type[Router]:
    """Look a router's class up by its name in `ROUTERS`.

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
    """
    kind = router_class(name)
    if kind is BlendRouter:
        return BlendRouter(scales, boosted, mlp)
    if kind is BoostedRouter:
        return BoostedRouter(scales, boosted)
    if kind is MlpRouter:
        return MlpRouter(scales, mlp)
    if kind is NeighbourRouter:
        return NeighbourRouter(scales, neighbours)
    if kind is LinearRouter:
        return LinearRouter(scales, linear)
    if kind is OrdinalRouter:
        return OrdinalRouter(scales, linear)
    return kind(scales)
