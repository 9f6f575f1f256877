-- What the runbook's permissions ask for: to drop an index is its table's owner's right.
GRANT migrator TO countersign_executor;
