"""What a reference says about its hierarchy."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlash.codes.hierarchical_anchors import measure_family
from atlash.models.family import Family
from atlash.reference.hierarchy import split_labels_key

if TYPE_CHECKING:
    from atlash.models.annotator import Annotator
    from atlash.reference.build import BuildRequest


def hierarchy_facts(annotator: Annotator, request: BuildRequest) -> dict[str, Any]:
    """Return where the hierarchy came from and what was measured; nothing without one.

    The weight of the parents' loss and the share of their bits stand with the other options of
    training, and the parents themselves beside the anchors.
    """
    if not annotator.parents:
        return {}
    parent_key, _ = split_labels_key(request.labels_key)
    source = request.config.hierarchy
    measured = measure_family(annotator.anchors, Family.of(annotator.parents).of_type)
    facts = {
        "parent_key": parent_key,
        "source": Path(source).name if isinstance(source, (str, os.PathLike)) else None,
        **asdict(measured),
    }
    return {"hierarchy": facts}
