-- Through whose eyes the settings are read.
SELECT current_setting('server_version_num')::int AS server_version_num, current_user AS current_role
