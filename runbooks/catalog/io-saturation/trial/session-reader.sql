-- One of those who only want a row at a time, and wait for the disk too.
DO $$ DECLARE one text; BEGIN
    LOOP
        SELECT document INTO one FROM public.archive WHERE id = 1 + (random() * 29999)::int;
    END LOOP;
END $$;
