-- The indexes that hypopg holds in this server process, in the order in which they were made.
SELECT h.indexname AS name, @extschema@.hypopg_relation_size(h.indexrelid) AS size_bytes
FROM @extschema@.hypopg() h
ORDER BY h.indexrelid
