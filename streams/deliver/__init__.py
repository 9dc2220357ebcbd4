"""Alarms for people: which desks hear what, on which channels, until it has arrived."""
