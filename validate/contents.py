"""What the page of the validation holds."""

SECTIONS = (
    "interpolation",
    "refinement",
    "sums",
    "skopi",
    "corrections",
    "closed_forms",
    "fringes",
    "contacts",
    "fluence",
    "photons",
    "orientations",
    "pulses",
    "virus",
    "crystals",
)
"""Of the page, in its order."""

FIGURES = tuple(f"{key}.svg" for key in SECTIONS)
