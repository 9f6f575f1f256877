-- The export is cancelled, its session is not ended, and the readers work on.
SELECT (SELECT state = 'idle' FROM pg_stat_activity WHERE application_name = 'session-export' AND backend_type = 'client backend')
   AND (SELECT count(*) = 2 FROM pg_stat_activity WHERE application_name = 'session-reader' AND state = 'active')
   AND (SELECT count(*) <= 3 FROM pg_stat_activity WHERE wait_event_type = 'IO' AND state = 'active')
