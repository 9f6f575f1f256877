-- The same role at work under another name: it must be left alone.
SELECT pg_sleep(3600);
