-- The files are gone, the session is not, and the role's next sessions have a cap.
SELECT (SELECT count(*) = 0 FROM pg_ls_tmpdir())
   AND (SELECT state = 'idle' FROM pg_stat_activity WHERE application_name = 'session-report')
   AND EXISTS (SELECT FROM pg_db_role_setting WHERE setrole = 'shop'::regrole AND setconfig::text LIKE '%temp_file_limit=%')
