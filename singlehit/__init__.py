"""The command `singlehit`: one name for what is done by hand, outside the workflow."""
