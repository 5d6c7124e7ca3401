"""Evidence: the hash-chained log and the reports."""
