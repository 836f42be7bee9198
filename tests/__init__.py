"""The tests. A package, so that none that something installs under this name is taken for it."""
