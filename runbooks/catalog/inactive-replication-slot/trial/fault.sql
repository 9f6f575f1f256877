-- A standby that is gone, and ten segments of WAL that wait for it.
SELECT pg_create_physical_replication_slot('old_standby', true);
SELECT format('CREATE TABLE public.load_%s (n int)', n), 'SELECT pg_switch_wal()' FROM generate_series(1, 10) n \gexec
-- The application goes on writing, so that there are checkpoints.
CREATE TABLE public.visits_log (at timestamptz NOT NULL DEFAULT now(), page text NOT NULL);
GRANT INSERT ON public.visits_log TO shop;
