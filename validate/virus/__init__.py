"""What is simulated of a virus, held against sums and formulas."""
