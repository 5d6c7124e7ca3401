"""Runs: the pipeline over batches of notes, with manifest, resume and workers."""
