"""A pre-trained encoder that a reference's encoders start from."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlash.data.genes import GeneNames
from atlash.errors import GeneMismatchError
from atlash.models.vocabulary import FEW_KNOWN, UnknownGenesWarning
from atlash.nn.fine_tune import Start, fine_tune

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from atlash.config import TrainConfig
    from atlash.data.genes import GeneTable
    from atlash.models.prepare import Frozen
    from atlash.models.pretrained import PretrainedEncoder
    from atlash.nn.batches import TrainingCells
    from atlash.nn.objective import Goal
    from atlash.nn.train import Learned, Run


class UntrainedEncoderWarning(UserWarning):
    """An encoder was saved before it has learned anything."""


@dataclass(frozen=True)
class FineTuning:
    """Learns encoders from a pre-trained one.

    Attributes
    ----------
    encoder
        The pre-trained encoder.
    gene
        Its gene for each gene of the reference ``(n_genes,)``, int32, -1 for none.
    """

    encoder: PretrainedEncoder
    gene: NDArray[np.int32]

    @classmethod
    def of(cls, encoder: PretrainedEncoder, genes: GeneTable) -> FineTuning:
        """Match the genes of a reference with those of the encoder.

        Raises
        ------
        GeneMismatchError
            If they have none in common.

        Warns
        -----
        UnknownGenesWarning
            If the cells measured less than half of what the encoder knows, by weight.
        UntrainedEncoderWarning
            If the encoder has learned nothing yet.
        """
        known = encoder.vocabulary
        match = known.match(GeneNames(genes.namings, "The table of labelled cells"))
        n_steps = encoder.facts["learned"]["n_steps"]
        if n_steps == 0:
            msg = "The encoder has made no step of pre-training yet, so that it helps nothing."
            warnings.warn(msg, UntrainedEncoderWarning, stacklevel=2)
        if match.weight_shared < FEW_KNOWN:
            msg = (
                f"The cells measured {match.n_shared:,} of the {len(known.genes):,} genes that "
                f"the encoder knows, with {match.weight_shared:.0%} of their weight; what it "
                "learned will help little."
            )
            warnings.warn(msg, UnknownGenesWarning, stacklevel=2)
        return cls(encoder, match.gene_of_column)

    def learn(
        self,
        cells: TrainingCells,
        frozen: Frozen,
        *,
        goal: Goal,
        config: TrainConfig,
        run: Run,
    ) -> Learned:
        """Fine-tune on some cells; see :func:`atlash.nn.fine_tune.fine_tune`.

        Raises
        ------
        GeneMismatchError
            If the encoder knows none of the features.
        """
        gene = self.gene[frozen.features]
        if not (gene >= 0).any():
            msg = (
                f"The encoder knows {int((self.gene >= 0).sum()):,} genes of the cells, but none "
                f"of the {len(gene):,} that were chosen to tell types apart. Take an encoder "
                "pre-trained on more genes, or choose more: `TrainConfig(n_features=...)`."
            )
            raise GeneMismatchError(msg)
        return fine_tune(
            Start.of(self.encoder.config, self.encoder.arrays, gene),
            cells,
            frozen.standardiser,
            axes=frozen.axes,
            goal=goal,
            config=config,
            run=run,
        )
