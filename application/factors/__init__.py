"""Second factors: passkeys, TOTP and recovery codes; and the step-up that asks for them again."""
