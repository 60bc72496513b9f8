"""Analyses: pure functions from evaluations and networks to numbers; figures and claims draw on them."""
