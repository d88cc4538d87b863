"""What a docstring of the public surface says: every argument, the result, the errors."""

import builtins
import dataclasses
import inspect
import re

import pytest

import atlash
from atlash import errors

PUBLIC = {
    "Reference.build": atlash.Reference.build,
    "Reference.save": atlash.Reference.save,
    "Reference.load": atlash.Reference.load,
    "Reference.info": atlash.Reference.info,
    "HashClusterer": atlash.HashClusterer,
    "HashClusterer.fit": atlash.HashClusterer.fit,
    "HashClusterer.predict": atlash.HashClusterer.predict,
    "HashClusterer.save": atlash.HashClusterer.save,
    "HashClusterer.load": atlash.HashClusterer.load,
    "PretrainedEncoder.pretrain": atlash.PretrainedEncoder.pretrain,
    "PretrainedEncoder.load": atlash.PretrainedEncoder.load,
    "PretrainedEncoder.info": atlash.PretrainedEncoder.info,
    "tl.annotate": atlash.tl.annotate,
    "tl.assign": atlash.tl.assign,
    "tl.cluster": atlash.tl.cluster,
    "tl.count_within": atlash.tl.count_within,
    "tl.embed": atlash.tl.embed,
    "tl.evaluate": atlash.tl.evaluate,
    "tl.markers": atlash.tl.markers,
    "tl.neighbors": atlash.tl.neighbors,
    "tl.paga": atlash.tl.paga,
    "tl.pseudotime": atlash.tl.pseudotime,
    "tl.search": atlash.tl.search,
    "tl.umap": atlash.tl.umap,
    "Hits.to_arrow": atlash.tl.Hits.to_arrow,
    "Hits.to_pandas": atlash.tl.Hits.to_pandas,
    "Hits.to_adata": atlash.tl.Hits.to_adata,
    "Hits.votes": atlash.tl.Hits.votes,
    "Hits.composition": atlash.tl.Hits.composition,
    "pl.confusion": atlash.pl.confusion,
}
RAISES_NOTHING = {"Reference.info", "PretrainedEncoder.info", "Hits.to_adata"}
DATACLASSES = {
    "AnnotateConfig": atlash.AnnotateConfig,
    "AttentionConfig": atlash.AttentionConfig,
    "BuildConfig": atlash.BuildConfig,
    "ClusterConfig": atlash.ClusterConfig,
    "EmbedConfig": atlash.EmbedConfig,
    "FineTuneConfig": atlash.FineTuneConfig,
    "InputConfig": atlash.InputConfig,
    "LearnConfig": atlash.LearnConfig,
    "PretrainConfig": atlash.PretrainConfig,
    "PretrainedEncoder": atlash.PretrainedEncoder,
    "Reference": atlash.Reference,
    "SearchConfig": atlash.SearchConfig,
    "TrainConfig": atlash.TrainConfig,
    "TransformerConfig": atlash.TransformerConfig,
    "tl.Evaluation": atlash.tl.Evaluation,
    "tl.Hits": atlash.tl.Hits,
}


def sections(docstring):
    """Return the text of each numpy section by its title, ``""`` for what precedes them."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}$", inspect.cleandoc(docstring), flags=re.MULTILINE)
    titles = ["", *(title.strip() for title in parts[1::2])]
    return dict(zip(titles, parts[::2], strict=True))


def documented(section):
    """Return the names that a section of definitions explains."""
    lines = re.findall(r"^(\w[\w, ]*?)(?: : .*)?$\n(?=^ {4}\S)", section, flags=re.MULTILINE)
    return [name for line in lines for name in line.split(", ")]


def raised(function):
    """Return the errors of atlash that the function itself raises."""
    names = re.findall(r"raise (\w+)\(", inspect.getsource(function))
    return {name for name in names if hasattr(errors, name)}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_argument_is_explained_in_order(name):
    wanted = [p for p in inspect.signature(PUBLIC[name]).parameters if p not in {"self", "cls"}]
    assert documented(sections(PUBLIC[name].__doc__).get("Parameters", "")) == wanted


@pytest.mark.parametrize("name", PUBLIC)
def test_a_result_is_explained(name):
    gives = inspect.signature(PUBLIC[name]).return_annotation
    found = sections(PUBLIC[name].__doc__)
    told = "Returns" in found or re.match(r"Return |Load ", found[""]) is not None
    assert told or gives == "None"


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - RAISES_NOTHING))
def test_errors_are_explained_and_exist(name):
    told = documented(sections(PUBLIC[name].__doc__)["Raises"])
    assert told
    kinds = [getattr(errors, error, None) or getattr(builtins, error) for error in told]
    assert all(issubclass(kind, errors.AtlashError) for kind in kinds)


@pytest.mark.parametrize("name", DATACLASSES)
def test_every_field_is_explained(name):
    kind = DATACLASSES[name]
    found = sections(kind.__doc__)
    told = documented(found.get("Parameters", "") + found.get("Attributes", ""))
    assert told == [field.name for field in dataclasses.fields(kind)]


def test_every_error_that_a_function_raises_is_in_its_docstring(function):
    """Anywhere in the package, not only on its surface."""
    docstring = inspect.getdoc(function) or ""
    assert not [name for name in raised(function) if name not in docstring]


def test_a_section_of_arguments_leaves_none_out(function):
    found = sections(function.__doc__ or "")
    if "Parameters" in found:
        wanted = [p for p in inspect.signature(function).parameters if p not in {"self", "cls"}]
        assert documented(found["Parameters"]) == wanted


def test_annotate_explains_every_key_that_it_writes():
    from atlash.keys import AnnotationKeys

    keys = AnnotationKeys()
    named = [getattr(keys, k) for k, v in vars(AnnotationKeys).items() if isinstance(v, property)]
    assert len(named) == 13
    assert not [key for key in named if f'"{key}"' not in atlash.tl.annotate.__doc__]


def test_cluster_explains_every_key_that_it_writes():
    from atlash.keys import ClusterKeys, NeighborKeys

    keys = ClusterKeys()
    named = [getattr(keys, k) for k, v in vars(ClusterKeys).items() if isinstance(v, property)]
    graph = named.pop(named.index(keys.neighbors))
    assert graph == NeighborKeys("atlash_neighbors")
    named += [graph.parameters, graph.distances, graph.connectivities]
    assert len(named) == 10
    assert not [key for key in named if f'"{key}"' not in atlash.tl.cluster.__doc__]
    assert not [key for key in named[:7] if f'"{key}"' not in atlash.tl.assign.__doc__]


def test_embed_explains_every_key_that_it_writes():
    from atlash.keys import EmbeddingKeys

    keys = EmbeddingKeys()
    named = [getattr(keys, k) for k, v in vars(EmbeddingKeys).items() if isinstance(v, property)]
    assert len(named) == 2
    assert not [key for key in named if f'"{key}"' not in atlash.tl.embed.__doc__]
