"""Frames as they come: from a source through fold and network to a decision in the ledger, and on to the sinks."""
