"""The network: torch modules, losses and the one training loop."""
