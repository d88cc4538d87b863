"""Binary codes: anchors, packing, Hamming distances. numpy and numba only."""
