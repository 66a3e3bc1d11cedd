"""Entities and rules. These words have a meaning of their own here:

refusal     an error with a stable code that a client can act on
generation  a counter of a session that each refresh raises
grace       the seconds in which a replaced refresh token still returns its successor (reuse interval)
outbox      the table of mails to send, written in the same transaction as the change (transactional outbox)
lease       a claim on a mail or on the blocklist that expires by itself (visibility timeout)
parked      given up until an operator acts (dead letter)
redrive     to make a parked mail due again (requeue)
nudge       a message that wakes a worker and may be lost (notification)
decoy       a hash that is verified for unknown users, so that they cost the same time (dummy hash)
doctor      the command that checks the installation (health check)
"""
