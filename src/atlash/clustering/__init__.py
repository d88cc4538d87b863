"""What is learned without labels: axes, buckets, clusters."""

from atlash.clustering.clusterer import Clusters, HashClusterer

__all__ = ["Clusters", "HashClusterer"]
