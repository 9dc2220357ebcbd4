"""The services: enrich, detect, index and clock, and what they have in common."""
