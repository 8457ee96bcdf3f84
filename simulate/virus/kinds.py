"""What a shot can hit."""

KINDS = ("single", "double", "aggregate", "droplet", "ellipsoid", "with_droplet", "broken", "empty")
"""single: one virus; double: two apart, coherent; aggregate: two to five that touch; droplet: a ball of sugar and
water; ellipsoid: the same, drawn out; with_droplet: a virus that touches a droplet; broken: a shell whose core is
partly lost; empty: nothing."""
