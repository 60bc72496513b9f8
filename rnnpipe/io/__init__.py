"""Artefacts on disk: the only modules that open result files."""
