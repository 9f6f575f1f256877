-- What the configuration files say, as far as it is in force: the only way to settings that this session has its own of.
SELECT f.name, f.setting, f.sourcefile
FROM pg_file_settings f
WHERE f.applied
ORDER BY f.seqno
