"""The network's side of screening: what predicts, from which probability on a frame is kept, and what comes before."""
