"""What `make run` adds to the service: embedded engines, processes, a mail catcher. Tests use the engines too.

No part of the service that runs in production imports this package.
"""
