"""Trawl: one YAML file, one daily scrape."""
