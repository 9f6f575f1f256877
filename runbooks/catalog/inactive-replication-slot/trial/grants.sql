-- What the runbook's permissions ask for: to drop a slot.
ALTER ROLE countersign_executor REPLICATION;
