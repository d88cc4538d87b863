import dataclasses
import warnings
from dataclasses import replace

import anndata as ad
import numpy as np
import pytest

import atlash
from atlash.config import (
    AnnotateConfig,
    BuildConfig,
    FineTuneConfig,
    PretrainConfig,
    SearchConfig,
    TransformerConfig,
)
from atlash.data.genes import merge_genes, read_gene_names
from atlash.errors import FileFormatError, GeneMismatchError, InputError, TrainingError
from atlash.models.fine_tuning import FineTuning, UntrainedEncoderWarning
from atlash.models.pretrained import PretrainedEncoder
from atlash.models.vocabulary import UnknownGenesWarning
from atlash.nn.transformer_encoder import TransformerEncoder

QUIET = AnnotateConfig(progress=False, n_threads=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory, atlas_counts):
    """A pre-trained encoder of a few steps that knows most of the genes."""
    config = PretrainConfig(
        device="cpu",
        model=TransformerConfig(n_tokens=128, width=32, n_layers=1, n_heads=2, n_hidden=32),
        n_genes=280,
        n_steps=4,
        batch_size=16,
        n_threads=1,
        progress=False,
    )
    path = tmp_path_factory.mktemp("fine") / "model"
    PretrainedEncoder.pretrain(atlas_counts, path, config=config)
    return path


@pytest.fixture(scope="module")
def options(model):
    train = atlash.TrainConfig(n_features=200, n_components=10, n_folds=2)
    tuning = FineTuneConfig(n_steps=60, batch_size=32, learning_rate=3e-3)
    return BuildConfig(
        device="cpu",
        train=train,
        encoder=str(model),
        fine_tune=tuning,
        n_threads=1,
        progress=False,
    )


def build(cells, config):
    return atlash.Reference.build(cells, "cell_type", "batch", config=config)


@pytest.fixture(scope="module")
def tuned(atlas_counts, options):
    """A reference fine-tuned from it; do not change it."""
    return build(atlas_counts, options)


def annotated(cells, reference, **changes):
    config = replace(QUIET, **changes)
    return atlash.tl.annotate(cells.copy(), reference, config=config, copy=True)


def test_a_fine_tuned_reference_labels_new_cells(tuned, fresh_counts):
    cells = annotated(fresh_counts, tuned)
    right = (cells.obs["atlash_nearest"].astype(str) == cells.obs["cell_type"].astype(str)).mean()
    assert right > 0.9
    assert isinstance(tuned.annotator.weights, TransformerEncoder)
    assert tuned.meta["training"]["n_steps"] == 60
    assert tuned.meta["fine_tuned_from"]["n_steps"] == 4


def test_it_comes_back_from_disk_bit_by_bit(tuned, fresh_counts, tmp_path):
    dataclasses.replace(tuned).save(tmp_path / "tuned.atlash")
    loaded = atlash.Reference.load(tmp_path / "tuned.atlash")
    assert loaded.fingerprint == tuned.fingerprint
    one, other = annotated(fresh_counts, tuned), annotated(fresh_counts, loaded)
    np.testing.assert_array_equal(one.obsm["atlash_codes"], other.obsm["atlash_codes"])
    assert one.obs.equals(other.obs)
    assert loaded.info()["n_genes_used"] == 200


def test_a_label_depends_neither_on_company_nor_on_threads_or_chunks(tuned, fresh_counts):
    expected = annotated(fresh_counts, tuned)
    threads = annotated(fresh_counts, tuned, n_threads=3, chunk_size=50)
    np.testing.assert_array_equal(threads.obsm["atlash_codes"], expected.obsm["atlash_codes"])
    some = np.array([300, 4, 99])
    alone = annotated(fresh_counts[some].copy(), tuned)
    np.testing.assert_array_equal(alone.obsm["atlash_codes"], expected.obsm["atlash_codes"][some])
    assert (alone.obs["atlash_confidence"] == expected.obs["atlash_confidence"].iloc[some]).all()


def test_its_cells_are_searched_and_grow(tuned, fresh_counts, tmp_path):
    dataclasses.replace(tuned).save(tmp_path / "tuned.atlash")
    reference = atlash.Reference.load(tmp_path / "tuned.atlash")
    config = SearchConfig(progress=False, n_threads=1)
    few = fresh_counts[:20].copy()
    few.obs_names = [f"new{k}" for k in range(20)]
    reference.add(few, "cell_type", progress=False)
    assert reference.cells.to_table(["cell_id"]).num_rows == 380
    hits = atlash.tl.search(few, reference, 1, config=config)
    assert set(hits.to_pandas()["cell_id"]) & set(few.obs_names)
    assert (hits.distances == 0).all()


def test_the_same_seed_gives_the_same_reference_on_any_number_of_threads(
    tuned, atlas_counts, options
):
    short = replace(options, fine_tune=FineTuneConfig(n_steps=3, batch_size=16))
    one, other = (build(atlas_counts, replace(short, n_threads=n)) for n in (1, 2))
    assert one.fingerprint == other.fingerprint != tuned.fingerprint


def test_cells_of_few_known_genes_and_empty_ones_are_no_harm(tuned, fresh_counts):
    cells = fresh_counts[:30].copy()
    cells.X.data[: cells.X.indptr[1]] = 0
    assert annotated(cells, tuned).obs["atlash_status"].iloc[0] == "unassigned"


def test_matching_the_query_is_refused(tuned, fresh_counts):
    with pytest.raises(InputError, match="relative to the cell's own"):
        annotated(fresh_counts, tuned, match_query=True)


def test_an_encoder_that_knows_none_of_the_genes_is_refused(atlas_counts, options):
    cells = ad.AnnData(atlas_counts.X.copy(), obs=atlas_counts.obs.copy())
    cells.var_names = [f"Abc{k}" for k in range(300)]
    told = r"No gene is in the encoder's vocabulary.* at least one gene is needed.*Abc"
    with pytest.raises(GeneMismatchError, match=told):
        build(cells, options)


def test_an_encoder_that_knows_none_of_the_features_is_refused(atlas, options, model):
    """Genes that no cell expresses are known, but never chosen."""
    known = PretrainedEncoder.load(model).vocabulary.genes.ids
    silent = atlas[:, np.isin(atlas.var_names, known)].copy()
    silent.X.data[:] = 0
    silent.X.eliminate_zeros()
    others = atlas.copy()
    others.var_names = [f"Abc{k}" for k in range(300)]
    cells = ad.concat([silent, others], axis="var", merge="first")
    with pytest.raises(GeneMismatchError, match=r"but none of the \d+ that were chosen"):
        build(cells, options)


def test_a_folder_without_an_encoder_is_refused_before_any_work(atlas_counts, options, tmp_path):
    with pytest.raises(FileFormatError, match="holds no pre-trained encoder"):
        build(atlas_counts, replace(options, encoder=str(tmp_path)))


def test_options_of_fine_tuning_are_checked(atlas_counts, options):
    with pytest.raises(InputError, match="`n_steps` is 0"):
        build(atlas_counts, replace(options, fine_tune=FineTuneConfig(n_steps=0)))


def test_a_loss_that_is_not_finite_is_an_error(atlas_counts, options):
    wild = replace(options, fine_tune=FineTuneConfig(learning_rate=1e30, batch_size=16))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(TrainingError, match="of fine-tuning"):
            build(atlas_counts, wild)


def test_mining_has_no_second_phase_to_go_on_in(atlas_counts, options):
    mining = replace(options.train, mining=atlash.MiningConfig())
    with pytest.raises(InputError, match=r"Leave out `mining` \(--mine\), or `encoder`"):
        build(atlas_counts, replace(options, train=mining))


def test_a_pre_trained_encoder_finds_cells_that_look_mislabelled(atlas_counts, options):
    wrong = atlas_counts.copy()
    kinds = wrong.obs["cell_type"].cat
    codes = kinds.codes.to_numpy().copy()
    codes[::36] = (codes[::36] + 1) % 3
    wrong.obs["cell_type"] = kinds.categories[codes]
    guard = replace(options.train, mining=atlash.MiningConfig(steps_share=0))
    table = build(wrong, replace(options, train=guard)).mined
    suspicious = set(table.loc[table["status"] == "suspicious", "cell_id"])
    planted = set(wrong.obs_names[::36])
    assert len(suspicious & planted) >= len(planted) / 2
    assert len(suspicious - planted) <= 3


def test_unlabelled_cells_help_to_choose_its_genes(atlas_counts, options):
    few = atlas_counts.copy()
    few.obs["cell_type"] = few.obs["cell_type"].astype(object)
    few.obs.loc[few.obs_names[60:], "cell_type"] = None
    chosen = replace(options, train=replace(options.train, n_features=60))
    alone = build(few[:60].copy(), chosen)
    helped = build(few, replace(chosen, use_unlabelled=True))
    assert helped.meta["n_unlabelled_seen"] == 300
    features = [found.annotator.recipe.features for found in (alone, helped)]
    assert (features[0] != features[1]).any()


def test_types_with_parents_are_fine_tuned_too(atlas_counts, fresh_counts, options, tuned):
    parents = {"B cell": "lymphocyte", "T cell": "lymphocyte", "NK cell": "killer"}
    reference = build(atlas_counts, replace(options, hierarchy=parents))
    assert reference.fingerprint != tuned.fingerprint
    found = annotated(fresh_counts, reference)
    assert set(found.obs["atlash_parent"]) <= {"lymphocyte", "killer", "unassigned"}


def test_an_encoder_that_helps_little_is_told(model, atlas_counts, tmp_path):
    few = atlas_counts[:, :40].copy()
    genes, _ = merge_genes([read_gene_names(few.var, source_name="few")])
    encoder = PretrainedEncoder.load(model)
    with pytest.warns(
        UnknownGenesWarning, match=r"measured \d+ of the 280 genes that the encoder"
    ):
        FineTuning.of(encoder, genes)
    untrained = dataclasses.replace(encoder, facts=encoder.facts | {"learned": {"n_steps": 0}})
    whole, _ = merge_genes([read_gene_names(atlas_counts.var, source_name="all")])
    with pytest.warns(UntrainedEncoderWarning, match="no step of pre-training"):
        FineTuning.of(untrained, whole)
