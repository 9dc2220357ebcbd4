"""The console: what Tocsin found out, as pages that follow it live, and the REST interface that they use."""
