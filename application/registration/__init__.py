"""Register an account and verify its e-mail address."""
