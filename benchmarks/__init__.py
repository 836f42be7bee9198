"""Measurements of Trawl beside its peers. Numbers, never tests: see README.md."""
