"""One file a family of networks; `registry.py` names them."""
