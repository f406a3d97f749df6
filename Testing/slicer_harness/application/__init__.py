"""The application around a module: scene, logics, modules, views, settings."""
