-- To end or cancel sessions of others the role has these two functions, and nothing else. They say false, and have done nothing,
-- unless the session has this pid and this start now, is a client's, is not the caller's own, and its role is no superuser,
-- may not replicate and may not signal others itself (a DBA who is no superuser). Who owns them cannot log in.
-- This part may be run again: it puts back what was changed.
DO $do$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = 'countersign_signal') THEN
        CREATE ROLE countersign_signal NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
    END IF;
END
$do$;
ALTER ROLE countersign_signal NOLOGIN INHERIT;
GRANT pg_signal_backend, pg_read_all_stats TO countersign_signal;
-- Only a member can hand something over to a role, and only one that may create here can take it: both up to the last lines.
GRANT countersign_signal TO CURRENT_USER;
GRANT CREATE ON SCHEMA countersign TO countersign_signal;

-- Arguments go by number, as `pid` would be the column. Operators are found in pg_catalog alone: that is what search_path says,
-- and pg_temp is never searched for them. Without the first statement pg_stat_activity would stay as the caller's
-- transaction saw it first.
CREATE OR REPLACE FUNCTION countersign.terminate_backend(pid integer, backend_start timestamp with time zone) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT pg_catalog.pg_stat_clear_snapshot();
    SELECT coalesce((
        SELECT pg_catalog.pg_terminate_backend(a.pid)
        FROM pg_catalog.pg_stat_activity a
        JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
        WHERE a.pid = $1 AND a.backend_start = $2
          AND a.pid <> pg_catalog.pg_backend_pid()
          AND a.backend_type = 'client backend'
          AND NOT (r.rolsuper OR r.rolreplication)
          AND NOT EXISTS (
              SELECT FROM pg_catalog.pg_roles p
              WHERE p.rolname IN ('pg_signal_backend', 'rds_replication') AND pg_catalog.pg_has_role(r.oid, p.oid, 'MEMBER')
          )
    ), false);
$body$;

CREATE OR REPLACE FUNCTION countersign.cancel_backend(pid integer, backend_start timestamp with time zone) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $body$
    SELECT pg_catalog.pg_stat_clear_snapshot();
    SELECT coalesce((
        SELECT pg_catalog.pg_cancel_backend(a.pid)
        FROM pg_catalog.pg_stat_activity a
        JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
        WHERE a.pid = $1 AND a.backend_start = $2
          AND a.pid <> pg_catalog.pg_backend_pid()
          AND a.backend_type = 'client backend'
          AND NOT (r.rolsuper OR r.rolreplication)
          AND NOT EXISTS (
              SELECT FROM pg_catalog.pg_roles p
              WHERE p.rolname IN ('pg_signal_backend', 'rds_replication') AND pg_catalog.pg_has_role(r.oid, p.oid, 'MEMBER')
          )
    ), false);
$body$;

REVOKE ALL ON FUNCTION
    countersign.terminate_backend(integer, timestamp with time zone),
    countersign.cancel_backend(integer, timestamp with time zone)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    countersign.terminate_backend(integer, timestamp with time zone),
    countersign.cancel_backend(integer, timestamp with time zone)
    TO "countersign_executor";
ALTER FUNCTION countersign.terminate_backend(integer, timestamp with time zone) OWNER TO countersign_signal;
ALTER FUNCTION countersign.cancel_backend(integer, timestamp with time zone) OWNER TO countersign_signal;
REVOKE CREATE ON SCHEMA countersign FROM countersign_signal;
REVOKE countersign_signal FROM CURRENT_USER;
