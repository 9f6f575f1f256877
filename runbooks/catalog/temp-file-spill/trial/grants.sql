-- What the runbook's permissions ask for: to change another role's settings, and this one, which is a superuser's else.
ALTER ROLE countersign_executor CREATEROLE;
GRANT SET ON PARAMETER temp_file_limit TO countersign_executor;
