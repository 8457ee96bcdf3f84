"""What a network has to beat, each method a module: it learns from a dataset, then answers for any alike.

The plainest, always giving the most frequent answer, needs no patterns: `by_target.majority`.
"""
