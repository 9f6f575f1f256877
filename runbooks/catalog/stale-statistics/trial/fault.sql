-- A table that changed much since it was analyzed, and that autovacuum leaves alone.
CREATE TABLE public.events (id bigint PRIMARY KEY, kind text NOT NULL) WITH (autovacuum_enabled = off);
ALTER TABLE public.events OWNER TO migrator;
INSERT INTO public.events SELECT n, 'old' FROM generate_series(1, 20000) n;
ANALYZE public.events;
UPDATE public.events SET kind = 'new' WHERE id <= 15000;
SELECT pg_stat_force_next_flush();
