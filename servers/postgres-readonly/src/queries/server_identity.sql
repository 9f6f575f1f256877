-- Which cluster and database this is, and as whom it is read.
SELECT c.system_identifier::text AS system_identifier,
       current_database() AS database,
       current_setting('server_version') AS server_version,
       pg_is_in_recovery() AS in_recovery,
       current_user AS current_role
FROM pg_control_system() c
