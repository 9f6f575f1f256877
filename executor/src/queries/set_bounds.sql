SELECT pg_catalog.set_config('application_name', $1, false),
       pg_catalog.set_config('statement_timeout', $2, false),
       pg_catalog.set_config('lock_timeout', $3, false)
