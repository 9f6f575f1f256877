-- Since when pg_stat_statements counts, and how often it threw statements away for want of room.
SELECT to_char(i.stats_reset, 'YYYY-MM-DD HH24:MI:SS.USOF') AS stats_reset, i.dealloc
FROM @extschema@.pg_stat_statements_info i
