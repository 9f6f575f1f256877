-- One statement that reads the whole table over and over, with two workers. (SELECT … INTO would get none.)
SET max_parallel_workers_per_gather = 2;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
DO $$ BEGIN
    LOOP
        PERFORM count(*) FROM public.archive_over_and_over;
    END LOOP;
END $$;
