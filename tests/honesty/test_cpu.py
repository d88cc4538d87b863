"""The CPU is enough: where no GPU is seen, everything runs, and gives what the CPU gives."""

import dataclasses

import pytest
import torch

from atlash.config import AnnotateConfig
from atlash.keys import AnnotationKeys
from atlash.reference import Reference
from atlash.tl import annotate

KEYS = AnnotationKeys()


@pytest.fixture(scope="module")
def on_the_cpu(atlas_counts, tiny):
    """A reference learned on the CPU, whatever the machine has."""
    config = dataclasses.replace(tiny, device="cpu")
    return Reference.build(atlas_counts, "cell_type", "batch", config=config)


def test_without_a_gpu_the_cpu_learns(atlas_counts, tiny, on_the_cpu, monkeypatch):
    assert tiny.device == "auto"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    built = Reference.build(atlas_counts, "cell_type", "batch", config=tiny)
    assert built.fingerprint == on_the_cpu.fingerprint


def test_answers_need_no_gpu(fresh_counts, on_the_cpu, monkeypatch):
    def refuse(*_, **__):
        pytest.fail("a GPU was looked for")

    monkeypatch.setattr(torch.cuda, "is_available", refuse)
    config = AnnotateConfig(progress=False)
    found = annotate(fresh_counts, on_the_cpu, config=config, copy=True)
    right = found.obs[KEYS.nearest].astype(str) == found.obs["cell_type"].astype(str)
    assert right.mean() > 0.9
