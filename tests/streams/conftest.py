"""Property tests judge behaviour, not how busy the machine is."""

from hypothesis import settings

settings.register_profile("tocsin", deadline=None)
settings.load_profile("tocsin")
