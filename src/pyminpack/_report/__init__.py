"""What a fit says: codes, messages, statistics, results."""
