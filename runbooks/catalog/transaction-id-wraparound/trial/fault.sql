-- A table that grows old unfrozen, beyond its own autovacuum_freeze_max_age; the others' limit is far away.
CREATE TABLE public.ledger (id bigint PRIMARY KEY, entry text NOT NULL) WITH (autovacuum_enabled = off, autovacuum_freeze_max_age = 100000);
ALTER TABLE public.ledger OWNER TO migrator;
INSERT INTO public.ledger SELECT n, 'entry' FROM generate_series(1, 20000) n;
DELETE FROM public.ledger WHERE id % 10 = 0;
DO $$ BEGIN
    FOR n IN 1..120000 LOOP
        PERFORM pg_current_xact_id();
        COMMIT;
    END LOOP;
END $$;
