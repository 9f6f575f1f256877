INSERT INTO public.visits_log (page) SELECT repeat('x', 1000) FROM generate_series(1, 2000) \watch 0.2
