"""Checkpoints of other architectures, behind the same recognizer."""
