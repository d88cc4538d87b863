"""Every key that atlash writes to an AnnData, in one place.

The keys of one run share a prefix, ``key_added`` (``"atlash"`` by default), so that several
references can annotate the same cells side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_PREFIX = "atlash"

UNASSIGNED = "unassigned"
ASSIGNED = "assigned"
PARENT_ONLY = "parent only"

NO_REASON = ""
OUT_OF_REACH = "out of reach"
BETWEEN_TYPES = "between types"
TOO_FEW_GENES = "too few genes"
REASONS = (NO_REASON, OUT_OF_REACH, BETWEEN_TYPES, TOO_FEW_GENES)


@dataclass(frozen=True)
class AnnotationKeys:
    """Names of what :func:`atlash.tl.annotate` writes.

    Parameters
    ----------
    prefix
        What all names begin with.
    """

    prefix: str = DEFAULT_PREFIX

    @property
    def label(self) -> str:
        """``obs``: the label, or ``"unassigned"``."""
        return f"{self.prefix}_label"

    @property
    def nearest(self) -> str:
        """``obs``: the most similar type, whether or not the cell is assigned to it."""
        return f"{self.prefix}_nearest"

    @property
    def confidence(self) -> str:
        """``obs``: calibrated probability that ``nearest`` is right."""
        return f"{self.prefix}_confidence"

    @property
    def parent(self) -> str:
        """``obs``, with a hierarchy: the parent of the label, or ``"unassigned"``."""
        return f"{self.prefix}_parent"

    @property
    def parent_confidence(self) -> str:
        """``obs``, with a hierarchy: calibrated probability of the parent."""
        return f"{self.prefix}_parent_confidence"

    @property
    def runner_up(self) -> str:
        """``obs``: the second most similar type."""
        return f"{self.prefix}_runner_up"

    @property
    def margin(self) -> str:
        """``obs``: bits by which the runner-up's anchor is further than the nearest."""
        return f"{self.prefix}_margin"

    @property
    def novelty(self) -> str:
        """``obs``: ``-log10`` of the share of known cells that look at least as novel."""
        return f"{self.prefix}_novelty"

    @property
    def status(self) -> str:
        """``obs``: ``"assigned"``, ``"unassigned"`` or, with a hierarchy, ``"parent only"``."""
        return f"{self.prefix}_status"

    @property
    def reason(self) -> str:
        """``obs``: why a cell is unassigned, empty where it is assigned."""
        return f"{self.prefix}_reason"

    @property
    def codes(self) -> str:
        """``obsm``: packed hash codes, uint8."""
        return f"{self.prefix}_codes"

    @property
    def sets(self) -> str:
        """``obsm``: conformal sets, one boolean column a type, in the order of ``uns``."""
        return f"{self.prefix}_sets"

    @property
    def provenance(self) -> str:
        """``uns``: versions, settings, reference and how the input was read."""
        return self.prefix


@dataclass(frozen=True)
class NeighborKeys:
    """Names of what :func:`atlash.tl.neighbors` writes; scanpy's own without a prefix.

    Parameters
    ----------
    prefix
        Key of ``uns``, and what those of ``obsp`` begin with.
    """

    prefix: str | None = None

    @property
    def parameters(self) -> str:
        """``uns``: the names of the others, and the settings."""
        return self.prefix or "neighbors"

    @property
    def distances(self) -> str:
        """``obsp``: score of each neighbour."""
        return f"{self.prefix}_distances" if self.prefix else "distances"

    @property
    def connectivities(self) -> str:
        """``obsp``: weights of the graph."""
        return f"{self.prefix}_connectivities" if self.prefix else "connectivities"

    @property
    def representation(self) -> str:
        """``obsm``: expected bits; clustering writes to the name without ``bits``."""
        return f"X_{self.prefix or DEFAULT_PREFIX}_bits"


@dataclass(frozen=True)
class MarkerKeys:
    """Names of what :func:`atlash.tl.markers` writes.

    Parameters
    ----------
    prefix
        Key of ``uns``.
    """

    prefix: str = f"{DEFAULT_PREFIX}_markers"

    @property
    def ranking(self) -> str:
        """``uns``: the ranking, laid out as scanpy's ``rank_genes_groups``."""
        return self.prefix


@dataclass(frozen=True)
class PagaKeys:
    """Names of what :func:`atlash.tl.paga` writes; scanpy's own.

    Parameters
    ----------
    groups
        Column of ``obs`` with the groups.
    """

    groups: str

    @property
    def graph(self) -> str:
        """``uns``: connectivities of groups, their tree, and the column."""
        return "paga"

    @property
    def sizes(self) -> str:
        """``uns``: cells of each group."""
        return f"{self.groups}_sizes"


@dataclass(frozen=True)
class PseudotimeKeys:
    """Names of what :func:`atlash.tl.pseudotime` writes.

    Parameters
    ----------
    prefix
        Name of the column and of the settings.
    """

    prefix: str = f"{DEFAULT_PREFIX}_pseudotime"

    @property
    def time(self) -> str:
        """``obs``: distance from the root."""
        return self.prefix

    @property
    def settings(self) -> str:
        """``uns``: root, eigenvalues and settings."""
        return self.prefix


@dataclass(frozen=True)
class UmapKeys:
    """Names of what :func:`atlash.tl.umap` writes; scanpy's own by default.

    Parameters
    ----------
    prefix
        Key of ``uns``, and what that of ``obsm`` ends with.
    """

    prefix: str = "umap"

    @property
    def places(self) -> str:
        """``obsm``: two coordinates of each cell."""
        return f"X_{self.prefix}"

    @property
    def settings(self) -> str:
        """``uns``: the settings."""
        return self.prefix


@dataclass(frozen=True)
class EmbeddingKeys:
    """Names of what :func:`atlash.tl.embed` writes.

    Parameters
    ----------
    prefix
        Key of ``uns``, and what that of ``obsm`` ends with.
    """

    prefix: str = f"{DEFAULT_PREFIX}_pretrained"

    @property
    def embedding(self) -> str:
        """``obsm``: the embedding of each cell."""
        return f"X_{self.prefix}"

    @property
    def provenance(self) -> str:
        """``uns``: versions, encoder and how the input was read."""
        return self.prefix


@dataclass(frozen=True)
class ClusterKeys:
    """Names of what :func:`atlash.tl.cluster` writes.

    Parameters
    ----------
    prefix
        What all names begin with.
    """

    prefix: str = DEFAULT_PREFIX

    @property
    def cluster(self) -> str:
        """``obs``: the cluster, ``"0"`` the largest, or ``"unassigned"``."""
        return f"{self.prefix}_cluster"

    @property
    def membership(self) -> str:
        """``obs``: how much of what lies around the cell belongs to its cluster."""
        return f"{self.prefix}_membership"

    @property
    def stability(self) -> str:
        """``obs``: share of runs that put the cell into its cluster."""
        return f"{self.prefix}_stability"

    @property
    def bucket(self) -> str:
        """``obs``: the cell's bucket, -1 for none."""
        return f"{self.prefix}_bucket"

    @property
    def embedding(self) -> str:
        """``obsm``: places of cells on the learned axes."""
        return f"X_{self.prefix}"

    @property
    def codes(self) -> str:
        """``obsm``: hash codes, the word of each head."""
        return f"{self.prefix}_words"

    @property
    def neighbors(self) -> NeighborKeys:
        """``obsp`` and ``uns``: the graph of nearest cells, in scanpy's layout."""
        return NeighborKeys(f"{self.prefix}_neighbors")

    @property
    def story(self) -> str:
        """``uns``: settings, seed, stability over resolutions, joins, timings."""
        return f"{self.prefix}_clustering"
