"""Groups of commands, one module each; `streams.cli` mounts them."""
