"""Networks on rings and angles."""
