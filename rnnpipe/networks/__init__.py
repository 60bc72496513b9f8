"""Recurrent networks: settings, initial weights, reference equations and the engines that run them fast."""
