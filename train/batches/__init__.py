"""From a dataset to what a network sees at one step."""
