-- Some workers still work, not all came back, and they no longer stand in each other's way.
SELECT (SELECT rolconnlimit = 4 FROM pg_roles WHERE rolname = 'shop')
   AND (SELECT count(*) BETWEEN 1 AND 4 FROM pg_stat_activity WHERE application_name = 'session-2-worker')
   AND (SELECT count(*) <= 2 FROM pg_stat_activity WHERE wait_event_type = 'LWLock' AND state = 'active')
