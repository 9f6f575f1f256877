-- A worker looks at every lock of the server, then takes one of its own: the first holds all partitions of the lock
-- manager shared, for as long as there are many locks; the second wants one of them alone.
CREATE PROCEDURE public.work_for(seconds integer) LANGUAGE plpgsql AS $$ BEGIN
    WHILE clock_timestamp() < statement_timestamp() + make_interval(secs => seconds) LOOP
        PERFORM pg_lock_status() LIMIT 1;
        FOR job IN 1..20 LOOP
            PERFORM pg_advisory_lock(pg_backend_pid(), job), pg_advisory_unlock(pg_backend_pid(), job);
        END LOOP;
    END LOOP;
END $$;
