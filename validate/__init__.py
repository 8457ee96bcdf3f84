"""What the simulation says, held against sums, formulas, other programs and statistics: docs/validation.md.

Every check is a function of arrays that returns a `Finding`: numbers beside their limits, and a figure. The checks take
the renderer as an argument, so that the tests can show that a wrong one is found out.
"""
