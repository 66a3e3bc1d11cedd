"""Programs that introspect and revoke tokens."""
