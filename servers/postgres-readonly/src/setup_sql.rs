//! Writes the SQL that makes a harmless role.

/// Returns the script for `psql -f`, for the role `name`.
pub fn script(name: &str) -> String {
    let role = format!("\"{}\"", name.replace('"', "\"\""));
    let literal = name.replace('\'', "''");
    format!(
        r#"-- A role for postgres-readonly: it can log in and look, and nothing else. Run as a superuser or a role with CREATEROLE.
CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 5;
GRANT pg_monitor TO {role};
ALTER ROLE {role} SET default_transaction_read_only = on;
ALTER ROLE {role} SET statement_timeout = '10s';
ALTER ROLE {role} SET lock_timeout = '300ms';
ALTER ROLE {role} SET idle_in_transaction_session_timeout = '15s';

-- Caps the temporary files of its statements. Only a superuser may say so; from PostgreSQL 15 one may leave it to the role
-- instead: GRANT SET ON PARAMETER temp_file_limit TO {role};
DO $$ BEGIN
    ALTER ROLE {role} SET temp_file_limit = '1GB';
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'temp_file_limit is not capped: that needs a superuser';
END $$;

-- Lets it see which keys run out of numbers. A sequence holds no row of yours; those made later need the same grant.
DO $$ DECLARE one regclass; BEGIN
    FOR one IN
        SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    LOOP
        EXECUTE format('GRANT SELECT ON SEQUENCE %s TO %I', one, '{literal}');
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'not every sequence can be seen: their owners grant it';
END $$;

-- Give it a password (not needed with peer, certificate or IAM authentication):
--   \password {role}
-- Let the tool `query` read table contents too, from PostgreSQL 14:
--   GRANT pg_read_all_data TO {role};
-- In databases made before PostgreSQL 15 everybody may create objects in schema public; the proof of the role says so:
--   REVOKE CREATE ON SCHEMA public FROM PUBLIC;
-- Keep a place free for it when connections run out, from PostgreSQL 16 with reserved_connections > 0:
--   GRANT pg_use_reserved_connections TO {role};
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_quoted() {
        assert!(script("a\"b").contains("CREATE ROLE \"a\"\"b\" LOGIN"));
    }
}
