"""Mapped spiking networks in the formats of other simulators."""
