SELECT pg_catalog.has_parameter_privilege($1, 'SET') AS granted
