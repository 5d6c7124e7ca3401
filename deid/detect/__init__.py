"""Detectors: rules, the encoder, known patient values, propagation; all of them Presidio recognizers."""
