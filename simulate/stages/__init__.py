"""The stages up to a dataset, a module for each rule of its name: settings and files in, complete files out.

A rule is run again when its module changes, or one that it imports.
"""
