"""Running trained networks on datasets."""
