"""What becomes of an exported network: its operations, its constants, its layers in 8 bits."""
