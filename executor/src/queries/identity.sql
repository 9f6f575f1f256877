SELECT (SELECT c.system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system() c) AS system_identifier,
       pg_catalog.current_database()::pg_catalog.text AS database,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       pg_catalog.current_setting('is_superuser') = 'on' AS superuser,
       pg_catalog.to_regclass('countersign.executed_steps') IS NOT NULL AS marker
