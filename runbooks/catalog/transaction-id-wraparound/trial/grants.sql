-- What the runbook's permissions ask for: to freeze a table is its owner's right.
GRANT migrator TO countersign_executor;
