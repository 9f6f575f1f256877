-- What a target needs before an executor can change it. Run it once in each target database, as its owner or a superuser:
--   executor setup-sql | psql --single-transaction -v ON_ERROR_STOP=1 'dbname=…'
-- Roles belong to the whole server: for its second database leave the first CREATE ROLE out.
-- Give the role its password with psql's \password, or let it come in by certificate or IAM.

CREATE ROLE "countersign_executor" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    CONNECTION LIMIT 4;

-- To see state and backend_start of others: without it every guard matches nothing.
GRANT pg_read_all_stats TO "countersign_executor";
-- To know which system this is. PostgreSQL gives it to PUBLIC; where that was taken away, it is needed.
GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO "countersign_executor";

-- The marker: which step of which plan took effect here. A step that stands in it never runs again.
-- The role may add to it and read it, and can neither change nor delete what it has added.
CREATE SCHEMA countersign;
CREATE TABLE countersign.executed_steps (
    plan_digest text NOT NULL,
    step_id text NOT NULL,
    direction text NOT NULL CHECK (direction IN ('do', 'undo')),
    executor text NOT NULL,
    order_id text NOT NULL,
    fence bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (plan_digest, step_id, direction)
);
REVOKE ALL ON SCHEMA countersign FROM PUBLIC;
REVOKE ALL ON countersign.executed_steps FROM PUBLIC;
GRANT USAGE ON SCHEMA countersign TO "countersign_executor";
GRANT SELECT, INSERT ON countersign.executed_steps TO "countersign_executor";

-- (signals)

-- What only some runbooks need; `permissions` of each says which. Leave out what you do not use.
--
-- connection-saturation, lock-manager-contention, memory-pressure, temp-file-spill change a role.
-- Up to PostgreSQL 15 that takes CREATEROLE, which reaches every role but superusers and can hand out the predefined
-- ones, so that the role is nearly a superuser.
--   ALTER ROLE "countersign_executor" CREATEROLE;
-- From PostgreSQL 16 CREATEROLE alone reaches only roles that the executor has ADMIN OPTION on; give it those, one by one:
--   ALTER ROLE "countersign_executor" CREATEROLE;
--   GRANT some_application TO "countersign_executor" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
-- temp-file-spill, from PostgreSQL 15:
--   GRANT SET ON PARAMETER temp_file_limit TO "countersign_executor";
-- stale-statistics, autovacuum-behind, transaction-id-wraparound, invalid-index work on a table as its owner's role, which
-- may then do all that the owner may; from PostgreSQL 17 the first three do with less:
--   GRANT some_owner TO "countersign_executor";
--   GRANT pg_maintain TO "countersign_executor";
-- inactive-replication-slot (on RDS: GRANT rds_replication):
--   ALTER ROLE "countersign_executor" REPLICATION;
