"""A pre-trained encoder: a Transformer, the genes that it knows, and how it came about."""

from __future__ import annotations

import hashlib
import io
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from atlash.checks import check_option, checked_config, checked_path, checked_seed
from atlash.config import PretrainConfig, TransformerConfig
from atlash.data.parallel import ordered_map
from atlash.errors import FileFormatError
from atlash.models.model_folder import read_facts, read_part
from atlash.models.vocabulary import Vocabulary
from atlash.nn.device import resolve_device
from atlash.nn.gene_tokens import tokenise
from atlash.nn.gene_transformer import embed_tokens, restore_transformer
from atlash.nn.train import single_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import scipy.sparse as sp
    from numpy.typing import NDArray

    from atlash.data.normalize import BoundSource
    from atlash.data.source import Cells

SEED = 0
"""Of the choice of tokens when cells are embedded."""


@dataclass(frozen=True, eq=False, repr=False)  # its arrays neither compare nor print
class PretrainedEncoder:
    """A gene-token Transformer that was trained without labels.

    Made by :meth:`pretrain` or :meth:`load`.

    Attributes
    ----------
    config
        Shape of the Transformer.
    vocabulary
        Genes that it knows.
    arrays
        Its weights by name, float32.
    facts
        How it was made, as plain JSON.
    """

    config: TransformerConfig
    vocabulary: Vocabulary
    arrays: dict[str, NDArray[np.float32]]
    facts: dict[str, Any]

    @classmethod
    def pretrain(
        cls,
        cells: Cells | Sequence[Cells],
        path: str | Path,
        *,
        batch_key: str | None = None,
        vocabulary: Sequence[str] | None = None,
        resume: bool = False,
        config: PretrainConfig | None = None,
        random_state: int = 0,
    ) -> Self:
        """Learn an encoder from cells without labels, and save it.

        Values of some genes of a cell are hidden and predicted from the others, by each gene's
        token and by the embedding of the whole cell. Cells are read from their files while
        learning; memory grows with the buffer, not with the files. Checkpoints make ``path``
        a whole, usable encoder at any time. Ctrl-C writes one more and returns it.

        Started by ``torchrun``, several processes learn together, each on its own GPU.

        Parameters
        ----------
        cells
            One or several AnnData, ``.h5ad`` files or zarr stores.
        path
            Folder to write.
        batch_key
            Column of ``obs`` with the batch, which enters as a token of its own, so that other
            tokens need not carry it; ``None`` for none. Embedding needs no batch.
        vocabulary
            Names of the genes to know; ``None`` chooses them.
        resume
            Go on from the last checkpoint in ``path``, with the same cells and options. On a
            CPU the result is bit by bit that of a run without a break.
        config
            Further options; ``None`` stands for ``PretrainConfig()``.
        random_state
            Seed of everything, at least 0.

        Returns
        -------
        The encoder as it was saved.

        Raises
        ------
        InputError
            If the cells cannot be used, an option is of another type or out of range, or a run
            is resumed with other cells or options.
        FileFormatError
            If there is nothing to resume, or it is damaged.
        OutputError
            If ``path`` cannot be written, or holds something already.
        TrainingError
            If a loss is not finite; the message names the cells. The last checkpoint is kept.

        Warns
        -----
        InterruptedPretrainingWarning
            Ctrl-C ended it before the last step.
        """
        from atlash.models.pretrain_options import checked_names
        from atlash.models.pretraining import PretrainRequest, run

        options = checked_config(config, PretrainConfig)
        folder = checked_path(path)
        check_option(resume, bool, "resume")
        request = PretrainRequest(
            folder=folder,
            batch_key=batch_key,
            names=checked_names(vocabulary),
            resume=resume,
            config=options,
            random_state=checked_seed(random_state),
        )
        run(cells, request)
        return cls.load(folder)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Load a saved encoder, finished or not, and check every file of it.

        Parameters
        ----------
        path
            Its folder.

        Raises
        ------
        InputError
            If ``path`` is no path.
        FileFormatError
            If a file is missing or is not what was saved; the message names it.
        """
        from safetensors.numpy import load

        folder = checked_path(path)
        facts = read_facts(folder)
        arrays = load(read_part(folder, facts, "weights"))
        frame = pd.read_parquet(io.BytesIO(read_part(folder, facts, "vocabulary")))
        found = cls(
            TransformerConfig(**facts["settings"]["model"]),
            Vocabulary.from_frame(frame),
            arrays,
            facts,
        )
        try:
            restore_transformer(found.config, arrays)
        except ValueError as error:
            msg = f"{str(folder)!r} contradicts itself: {error} Take the folder from a copy."
            raise FileFormatError(msg) from error
        return found

    @property
    def width(self) -> int:
        """Length of an embedding."""
        return self.config.width

    @cached_property
    def fingerprint(self) -> str:
        """A sum of the weights, 64 hex digits; encoders that share it embed alike."""
        total = hashlib.sha256(repr(asdict(self.config)).encode())
        total.update("\n".join(self.vocabulary.genes.ids).encode())
        for name in sorted(self.arrays):
            total.update(name.encode() + self.arrays[name].tobytes())
        return total.hexdigest()

    def info(self) -> dict[str, Any]:
        """Return what the encoder is and how it was made, as plain JSON."""
        left_out = {"format", "files", "settings"}
        told = {name: value for name, value in self.facts.items() if name not in left_out}
        genes = self.vocabulary.genes
        return told | {
            "settings": self.facts["settings"],
            "fingerprint": self.fingerprint,
            "width": self.width,
            "n_parameters": int(sum(array.size for array in self.arrays.values())),
            "n_genes": len(genes),
            "genes_named_by": genes.kind,
            "example_gene": str(genes.ids[0]),
        }

    def embed(
        self, bound: BoundSource, *, device: str, chunk_size: int, n_threads: int
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield the rows and the embeddings ``(n, width)`` of each chunk, in order.

        A cell's embedding depends on the cell alone. A cell that expresses no known gene has an
        embedding of 0.

        Parameters
        ----------
        bound
            Cells joined with the vocabulary, from :meth:`Vocabulary.bind`.
        device
            Where to compute.
        chunk_size
            Cells read at a time.
        n_threads
            Threads, on a CPU; results are the same for any number.
        """
        where = resolve_device(device)
        model = restore_transformer(self.config, self.arrays).to(where)

        def work(item: tuple[slice, sp.csr_array]) -> tuple[slice, NDArray[np.float32]]:
            rows, chunk = item
            X = bound.project(chunk, rows).X
            tokens = tokenise(
                X, n_tokens=self.config.n_tokens, sampling=self.config.sampling, seed=SEED
            )
            found = embed_tokens(model, tokens, self.config, device=where)
            found[~tokens.there.any(axis=1)] = 0
            return rows, found

        n_threads = n_threads if where.type == "cpu" else 1
        with single_thread():
            yield from ordered_map(work, bound.source.chunks(chunk_size), n_threads=n_threads)
