from types import SimpleNamespace

import pytest
from transformers import AutoConfig

from m3_backbone.hosts.host import HOSTS, find_host


def test_every_host_is_a_family_of_transformers():
    for model_type, host in HOSTS.items():
        config = AutoConfig.for_model(model_type)
        assert find_host(config) is host
        assert host.template is None or host.template.count("<image>") == 1


def test_a_family_without_host_is_told_which_have_one():
    with pytest.raises(
        ValueError, match="type 'idefics3', expected one of 'llava', .*'paligemma'.*docs/hosts.md"
    ):
        find_host(SimpleNamespace(model_type="idefics3"))
