-- The checkouts went through, the report was left alone, and the migration changed nothing. (Whoever reads the table waits too.)
SELECT (SELECT count(*) = 2 FROM pg_stat_activity WHERE application_name LIKE 'session-_-checkout' AND state = 'idle')
   AND EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'session-1-report' AND state = 'active')
   AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'public.orders'::regclass AND attname = 'note')
