SELECT n_mod_since_analyze = 0 FROM pg_stat_user_tables WHERE relname = 'events'
