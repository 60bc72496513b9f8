"""Learners: they turn a task and settings into a trained network and its history."""
