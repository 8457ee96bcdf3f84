"""From a PDB entry, a file or a phantom to atoms."""
