-- What the counters of some statements do not say. $1 names the statements: [{"userid": …, "dbid": …, "queryid": "…"}].
-- The times of I/O have other names from pg_stat_statements 1.11 on, so they are read by name.
WITH wanted AS MATERIALIZED (
    SELECT w.userid, w.dbid, w.queryid
    FROM jsonb_to_recordset($1::jsonb) AS w (userid oid, dbid oid, queryid bigint)
),
found AS MATERIALIZED (
    SELECT s.userid, s.dbid, s.queryid, s.calls, s.stddev_exec_time, s.max_exec_time, s.query, to_jsonb(s) - 'query' AS j
    FROM wanted w
    JOIN @extschema@.pg_stat_statements s ON s.queryid = w.queryid AND s.dbid = w.dbid AND s.userid = w.userid
)
SELECT f.userid,
       f.dbid,
       f.queryid::text AS queryid,
       min(d.datname) AS datname,
       min(r.rolname) AS usename,
       -- One statement can have two entries: called by a client, and from inside a function.
       sqrt(sum(f.calls * f.stddev_exec_time ^ 2) / greatest(sum(f.calls), 1))::float8 AS stddev_ms,
       max(f.max_exec_time) AS max_ms,
       sum(coalesce((f.j ->> 'shared_blk_read_time')::float8, (f.j ->> 'blk_read_time')::float8)) AS io_read_ms,
       sum(coalesce((f.j ->> 'shared_blk_write_time')::float8, (f.j ->> 'blk_write_time')::float8)) AS io_write_ms,
       left(min(f.query), $2::int) AS query
FROM found f
LEFT JOIN pg_database d ON d.oid = f.dbid
LEFT JOIN pg_roles r ON r.oid = f.userid
GROUP BY f.userid, f.dbid, f.queryid
