"""Readers and writers: one file per format, both directions side by side."""
