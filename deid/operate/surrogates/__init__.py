"""Surrogates: one file for each family of values, all drawn by key from the frozen lists in ``../lists``."""
