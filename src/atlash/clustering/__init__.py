"""What is learned without labels: axes, buckets, clusters."""

from atlash.clustering.clusterer import HashClusterer
from atlash.clustering.clusters import Clusters

__all__ = ["Clusters", "HashClusterer"]
