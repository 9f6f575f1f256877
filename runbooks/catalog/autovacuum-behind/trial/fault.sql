-- A busy table that autovacuum leaves alone: three dead rows for each that lives.
CREATE TABLE public.events (id bigint PRIMARY KEY, kind text NOT NULL) WITH (autovacuum_enabled = off);
ALTER TABLE public.events OWNER TO migrator;
INSERT INTO public.events SELECT n, 'old' FROM generate_series(1, 20000) n;
VACUUM ANALYZE public.events;
UPDATE public.events SET kind = 'new';
UPDATE public.events SET kind = 'newer';
UPDATE public.events SET kind = 'newest';
SELECT pg_stat_force_next_flush();
