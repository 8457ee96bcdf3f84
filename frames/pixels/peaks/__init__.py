"""Sharp peaks on smooth backgrounds, in frames of any kind.

It lies in `frames` since it knows images alone, and since training, evaluation, screening and pages all need it.
"""
