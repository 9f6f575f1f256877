-- The leaked sessions are gone, the one at work is not, and the leak cannot come back.
SELECT (SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'session-web')
   AND EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'session-report' AND state = 'active')
   AND (SELECT rolconnlimit = 12 FROM pg_roles WHERE rolname = 'shop')
