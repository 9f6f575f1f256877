-- The statement is gone, its session is not, and the role's next sessions have less.
SELECT (SELECT state = 'idle' FROM pg_stat_activity WHERE application_name = 'session-report')
   AND EXISTS (SELECT FROM pg_db_role_setting WHERE setrole = 'shop'::regrole AND setconfig @> '{work_mem=4096}')
