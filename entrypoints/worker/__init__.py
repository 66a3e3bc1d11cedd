"""The worker process: delivers queued mails and purges expired rows."""
