"""The config of a whole run, and where its files lie."""
