-- Finished WAL segments that the archiver has not copied yet. A command that hangs, or is not there at all, counts no failure.
SELECT count(*) AS segments,
       floor(extract(epoch FROM clock_timestamp() - min(f.modification)))::bigint AS oldest_age_s
FROM pg_ls_archive_statusdir() f
WHERE f.name LIKE '%.ready'
