SELECT n_dead_tup = 0 AND vacuum_count = 2 FROM pg_stat_user_tables WHERE relname = 'events'
