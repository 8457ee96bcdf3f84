"""The network's side of screening: what answers, from which probability on a frame is kept, and what comes before."""
