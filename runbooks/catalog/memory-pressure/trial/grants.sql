-- What the runbook's permissions ask for: to change another role's settings.
ALTER ROLE countersign_executor CREATEROLE;
