"""Where decisions go: a bridge, files of hits, the European XFEL's layout, metrics."""
