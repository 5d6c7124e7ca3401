"""Operators: what replaces a span; all of them Presidio operators."""
