"""Documents of word processors: text in, text out. What cannot be read to its end goes to quarantine."""
