"""Figures, one per file: they draw tables that `rnnpipe.analysis` computed."""
