-- A table of pages that hold one row each, and far larger than shared_buffers: to read it is all I/O.
CREATE TABLE public.archive (id bigint, document text);
ALTER TABLE public.archive ALTER COLUMN document SET STORAGE PLAIN;
INSERT INTO public.archive SELECT n, repeat('x', 7000) FROM generate_series(1, 30000) n;
CREATE INDEX ON public.archive (id);
ANALYZE public.archive;
GRANT SELECT ON public.archive TO shop;
SELECT 'CREATE VIEW public.archive_over_and_over AS ' || repeat('SELECT id FROM public.archive UNION ALL ', 199) || 'SELECT id FROM public.archive' \gexec
GRANT SELECT ON public.archive_over_and_over TO shop;
