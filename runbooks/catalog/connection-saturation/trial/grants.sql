-- What the runbook's permissions ask for: to change another role's CONNECTION LIMIT.
ALTER ROLE countersign_executor CREATEROLE;
