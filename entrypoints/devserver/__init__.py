"""The development server, `make run`: embedded engines, processes and a mail catcher. Tests use the engines too.

No part of the service that runs in production imports this package.
"""
