"""A process of its own that prints what its monitor shows, for tests of restarts."""

from streams.services.monitor import Monitor, Progress

print(Monitor("enrich", Progress(60)).answer("/metrics")[2].decode())
