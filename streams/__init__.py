"""The running: settings, validation, files, stores, replay, services and the command line."""
