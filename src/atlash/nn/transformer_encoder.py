"""A fine-tuned Transformer as an encoder of cells: arrays on disk, torch when it runs.

It reads the features that a reference has chosen, as far as it knows them, and offers what the
sparse networks do: :class:`atlash.nn.inference.Encoder`.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from atlash.config import TransformerConfig
from atlash.errors import InputError
from atlash.nn.factor import Factor
from atlash.nn.gene_tokens import tokenise
from atlash.nn.inference import Encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from atlash.nn.batches import Standardiser
    from atlash.nn.tiles import Floats

SEED = 0
"""Of the choice of tokens."""
_lock = threading.Lock()
_running: list[int] = []
"""One entry, torch's number of threads before, for each encoder that is running."""


@dataclass(frozen=True)
class TransformerEncoder:
    """A Transformer from normalised features to codes.

    Attributes
    ----------
    settings
        JSON of its shape and of the names and shapes of its weights, uint8.
    numbers
        All weights in that order, float32.
    head, head_bias
        From the state of <cls> to the code ``(width, n_bits)``, ``(n_bits,)``.
    token
        Place of each feature in the Transformer's vocabulary ``(n_features,)``, int32,
        ascending; -1 where it is not known.
    mean, inverse_scale, upper
        How features are standardised for the principal components; see
        :class:`atlash.nn.weights.EncoderWeights`.
    axes
        Principal axes ``(n_features, n_components)``, for detail bits.
    """

    settings: NDArray[np.uint8]
    numbers: Floats
    head: Floats
    head_bias: Floats
    token: NDArray[np.int32]
    mean: Floats
    inverse_scale: Floats
    upper: Floats
    axes: Floats

    @classmethod
    def of(
        cls,
        config: TransformerConfig,
        arrays: Mapping[str, Floats],
        head: tuple[Floats, Floats],
        *,
        token: NDArray[np.int32],
        standardiser: Standardiser,
        axes: Floats,
    ) -> TransformerEncoder:
        """Pack a Transformer's weights; the arguments are the attributes."""
        shapes = {name: list(array.shape) for name, array in arrays.items()}
        told = json.dumps({"config": asdict(config), "shapes": shapes}).encode()
        return cls(
            settings=np.frombuffer(told, dtype=np.uint8),
            numbers=np.concatenate([array.ravel() for array in arrays.values()]),
            head=head[0],
            head_bias=head[1],
            token=token,
            mean=standardiser.mean,
            inverse_scale=standardiser.inverse_scale,
            upper=np.array([standardiser.upper], np.float32),
            axes=axes,
        )

    @property
    def n_features(self) -> int:
        """Genes that the encoder is given."""
        return len(self.token)

    @property
    def n_bits(self) -> int:
        """Length of a code."""
        return int(self.head.shape[1])

    def feature_weight(self) -> NDArray[np.float64]:
        """Return what each feature is worth ``(n_features,)``: the same for all known ones."""
        return np.asarray(self.token >= 0, dtype=np.float64)

    def encode(self, X: sp.csr_array, measured: NDArray[np.bool_]) -> Encoded:
        """Run the encoder over normalised cells, each on its own.

        On a CPU, so that a bit never depends on the device; a cell's code depends neither on
        the cells beside it nor on the number of threads.

        Parameters
        ----------
        X
            Normalised expression of the features ``(n, n_features)``, CSR float32.
        measured
            Features that the data hold ``(n_features,)``. To the Transformer others are not
            there; to the components they are at their mean.
        """
        config, embed = self._ready
        tokens = tokenise(
            known_columns(X, self.token),
            n_tokens=config.n_tokens,
            sampling=config.sampling,
            seed=SEED,
        )
        with _one_thread():
            states = embed(tokens)
        # one product a cell: that of many may add up in another order
        z = (
            np.stack([state @ self.head for state in states])
            if len(states)
            else states @ self.head
        )
        width = self.axes.shape[1]
        factor, start = self._factor, np.zeros(width, np.float32)
        components = np.ascontiguousarray(factor.product(X, measured, start)[:, :width])
        return Encoded(np.asarray(z + self.head_bias, dtype=np.float32), components)

    def matched(self, mean: NDArray[np.float64], scale: NDArray[np.float64]) -> TransformerEncoder:
        """Refuse to standardise with other statistics.

        Raises
        ------
        InputError
            Always: values enter relative to the cell's own.
        """
        msg = (
            f"`match_query` would give {len(mean):,} features another mean and {len(scale):,} "
            "another scale, but this reference was built from a pre-trained Transformer, which "
            "reads values relative to the cell's own. Leave `match_query` off."
        )
        raise InputError(msg)

    @cached_property
    def _factor(self) -> Factor:
        return Factor(self.axes, (self.mean, self.inverse_scale, self.upper))

    @cached_property
    def _ready(self) -> tuple[TransformerConfig, Callable[[Any], NDArray[np.float32]]]:
        """The shape, and what turns tokens into states of <cls>; loads torch."""
        import torch

        from atlash.nn.gene_transformer import embed_tokens, restore_transformer

        told = json.loads(self.settings.tobytes())
        config = TransformerConfig(**told["config"])
        arrays, at = {}, 0
        for name, shape in told["shapes"].items():
            size = int(np.prod(shape))
            arrays[name] = self.numbers[at : at + size].reshape(shape)
            at += size
        model, device = restore_transformer(config, arrays), torch.device("cpu")
        return config, lambda tokens: embed_tokens(model, tokens, config, device=device)


def known_columns(X: sp.csr_array, token: NDArray[np.int32]) -> sp.csr_array:
    """Return the expressed features that have a token, renamed to it, CSR.

    Parameters
    ----------
    X
        Values ``(n, n_features)``, CSR.
    token
        Token of each feature ``(n_features,)``, -1 for none.
    """
    column = token[X.indices]
    keep = (column >= 0) & (X.data > 0)
    bounds = np.concatenate(([0], np.cumsum(keep)))[X.indptr]
    shape = (X.shape[0], int(token.max(initial=-1)) + 1)
    return sp.csr_array((X.data[keep], column[keep], bounds), shape=shape)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch on one thread while any encoder runs: other sums would give other bits."""
    import torch

    with _lock:
        _running.append(torch.get_num_threads() if not _running else _running[0])
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            before = _running.pop()
            if not _running:
                torch.set_num_threads(before)
