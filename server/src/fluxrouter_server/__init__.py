"""The FluxRouter server: which model answers, what it may cost, whether the cap still allows it."""
