-- Whether the role may cap the temporary files of its own statements: by GRANT SET ON PARAMETER, from PostgreSQL 15.
SELECT pg_catalog.has_parameter_privilege('temp_file_limit', 'SET') AS may_set
