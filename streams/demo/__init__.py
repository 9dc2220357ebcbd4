"""`tocsin demo`: an invented scenario, and a live view of a run."""
