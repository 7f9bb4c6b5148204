"""The optimisers of a training: AdamW, or Muon for the matrices inside the layers."""

import torch
from torch import nn

BETAS = (0.9, 0.98)
OPTIMIZERS = ("adamw", "muon")


def is_hidden(name: str, parameter: nn.Parameter) -> bool:
    """Tell a matrix inside a transformer layer from embeddings, heads, gains and biases."""
    return parameter.ndim == 2 and "layers" in name.split(".")


def parameter_groups(
    modules: list[tuple[nn.Module, float]], weight_decay: float
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Split modules into optimiser groups: a learning rate each, decay on matrices only.

    Args:
        modules: pairs of a module and its peak learning rate; frozen parameters are left out.
        weight_decay: decay of parameters with two or more axes.

    Returns:
        The groups of matrices inside transformer layers, and all other groups, each with its peak
        rate under `peak`.
    """
    hidden_groups: list[dict[str, object]] = []
    other_groups: list[dict[str, object]] = []
    for module, rate in modules:
        hidden: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        vectors: list[nn.Parameter] = []
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            if is_hidden(name, parameter):
                hidden.append(parameter)
            else:
                (others if parameter.ndim >= 2 else vectors).append(parameter)
        for groups, decay, chosen in (
            (hidden_groups, weight_decay, hidden),
            (other_groups, weight_decay, others),
            (other_groups, 0.0, vectors),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": rate, "peak": rate, "weight_decay": decay})
    return hidden_groups, other_groups


def build_optimizers(
    modules: list[tuple[nn.Module, float]], weight_decay: float, kind: str
) -> list[torch.optim.Optimizer]:
    """Make the optimisers of a training.

    Muon's update is scaled to the size of AdamW's (Liu et al., arXiv 2502.16982, equation 4), so
    that one learning rate serves both.

    Args:
        modules: pairs of a module and its peak learning rate.
        weight_decay: decay of parameters with two or more axes.
        kind: "adamw", or "muon" for hidden matrices with AdamW for the rest.

    Raises:
        ValueError: if `kind` is unknown or nothing is to be trained.
    """
    if kind not in OPTIMIZERS:
        raise ValueError(f"expected an optimizer out of {OPTIMIZERS}, got {kind!r}")
    hidden, others = parameter_groups(modules, weight_decay)
    if not hidden and not others:
        raise ValueError("nothing to train: every learning rate is 0; raise one of them")
    # Muon orthogonalises matrices; vectors and embeddings stay with AdamW.
    adam = others if kind == "muon" else hidden + others
    optimizers: list[torch.optim.Optimizer] = []
    if adam:
        optimizers.append(torch.optim.AdamW(adam, betas=BETAS, fused=True))
    if kind == "muon" and hidden:
        optimizers.append(torch.optim.Muon(hidden, adjust_lr_fn="match_rms_adamw"))
    return optimizers
