from hypothesis import settings

settings.register_profile("core", deadline=None)  # a shared machine may be slow at any moment
settings.load_profile("core")
