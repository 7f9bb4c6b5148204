"""The families of models that `M3Backbone` takes, by their `model_type`."""

from typing import Any

from m3_backbone.crops import prepare_crops, project_crops
from m3_backbone.host import Host
from m3_backbone.merging import pool_crops
from m3_backbone.onevision import pool_onevision
from m3_backbone.paligemma import PREFIX_TEMPLATE, splice_prefix
from m3_backbone.pooling import pool_image
from m3_backbone.vision import prepare_image, project_images

HOSTS: dict[str, Host] = {
    "llava": Host(prepare_image, project_images, pool_image),
    "llava_next": Host(prepare_crops, project_crops, pool_crops),
    "llava_onevision": Host(prepare_crops, project_crops, pool_onevision),
    "paligemma": Host(
        prepare=prepare_image,
        project=project_images,
        pool=pool_image,
        splice=splice_prefix,
        template=PREFIX_TEMPLATE,
        first_position=1,
        reads_both_ways=True,
    ),
}


def find_host(config: Any) -> Host:
    """Find the host of a model.

    Args:
        config: the model's configuration.

    Returns:
        Its host.
    """
    check_model_type(config.model_type, "this configuration")
    return HOSTS[config.model_type]


def check_model_type(model_type: object, place: str) -> None:
    """Refuse a family of models that has no host.

    Args:
        model_type: `model_type` of the configuration.
        place: what the model is in, for the message.

    Raises:
        ValueError: if there is no such host.
    """
    if model_type not in HOSTS:
        known = ", ".join(map(repr, HOSTS))
        raise ValueError(
            f"{place} holds a model of type {model_type!r}, expected one of {known}, or an "
            "official 'llava_llama': docs/hosts.md tells how to add a family"
        )
