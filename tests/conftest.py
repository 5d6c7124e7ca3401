"""What all tests have in common."""

from hypothesis import settings

# How long an example takes says nothing where several tests share a processor.
settings.register_profile("deid", deadline=None)
settings.load_profile("deid")
