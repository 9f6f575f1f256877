//! The reviewed lists: built-ins that the catalog's volatility alone would judge wrongly, and what must not be read.

use super::objects::Function;

/// Volatile built-ins that only observe, compute or draw a number. Each was read in PostgreSQL's source.
const HARMLESS_VOLATILE: &[&str] = &[
    // What TABLESAMPLE calls.
    "bernoulli",
    "system",
    "amvalidate",
    "clock_timestamp",
    "current_query",
    "currval",
    "gen_random_uuid",
    "lastval",
    "pg_blocking_pids",
    "pg_collation_actual_version",
    "pg_control_checkpoint",
    "pg_control_init",
    "pg_control_recovery",
    "pg_control_system",
    "pg_current_logfile",
    "pg_current_wal_flush_lsn",
    "pg_current_wal_insert_lsn",
    "pg_current_wal_lsn",
    "pg_database_collation_actual_version",
    "pg_database_size",
    "pg_get_backend_memory_contexts",
    "pg_get_multixact_members",
    "pg_get_shmem_allocations",
    "pg_get_wait_events",
    "pg_get_wal_replay_pause_state",
    "pg_get_wal_resource_managers",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_is_wal_replay_paused",
    "pg_jit_available",
    "pg_last_committed_xact",
    "pg_last_wal_receive_lsn",
    "pg_last_wal_replay_lsn",
    "pg_last_xact_replay_timestamp",
    "pg_lock_status",
    "pg_ls_archive_statusdir",
    "pg_ls_logdir",
    "pg_ls_logicalmapdir",
    "pg_ls_logicalsnapdir",
    "pg_ls_replslotdir",
    "pg_ls_tmpdir",
    "pg_ls_waldir",
    "pg_notification_queue_usage",
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_prepared_xact",
    "pg_relation_size",
    "pg_replication_origin_progress",
    "pg_safe_snapshot_blocking_pids",
    "pg_sequence_last_value",
    "pg_show_replication_origin_status",
    "pg_table_size",
    "pg_tablespace_size",
    "pg_total_relation_size",
    "pg_xact_commit_timestamp",
    "pg_xact_commit_timestamp_origin",
    "pg_xact_status",
    "random",
    "random_normal",
    "timeofday",
    "txid_status",
    "uuidv4",
    "uuidv7",
];
/// Every function of this prefix reads a counter.
const COUNTERS: &str = "pg_stat_get_";

/// Built-ins that are declared stable or immutable and are not harmless: they run SQL that they are given, read what a
/// view would hide from the guard, assign a transaction id, or call the input function of any type (and with it a
/// domain's constraints).
const HARMFUL_STABLE: &[&str] = &[
    "array_in",
    "array_recv",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "database_to_xmlschema",
    "domain_in",
    "domain_recv",
    "fmgr_c_validator",
    "fmgr_internal_validator",
    "fmgr_sql_validator",
    "multirange_in",
    "multirange_recv",
    "pg_current_xact_id",
    "pg_export_snapshot",
    // These two compute constant parts of the partition's expressions, with whatever functions they call.
    "pg_get_partition_constraintdef",
    "pg_input_error_info",
    "pg_input_is_valid",
    "query_to_xml",
    "query_to_xml_and_xmlschema",
    "query_to_xmlschema",
    "range_in",
    "range_recv",
    "record_in",
    "record_recv",
    "satisfies_hash_partition",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "schema_to_xmlschema",
    "table_to_xml",
    "table_to_xml_and_xmlschema",
    "table_to_xmlschema",
    "txid_current",
];

/// Volatile functions of extensions that only observe, compute or draw a number: (extension, function).
const HARMLESS_EXTENSION: &[(&str, &str)] = &[
    ("hypopg", "hypopg"),
    ("hypopg", "hypopg_get_indexdef"),
    ("hypopg", "hypopg_relation_size"),
    ("pg_buffercache", "pg_buffercache_pages"),
    ("pg_buffercache", "pg_buffercache_summary"),
    ("pg_buffercache", "pg_buffercache_usage_counts"),
    ("pg_freespacemap", "pg_freespace"),
    ("pg_stat_kcache", "pg_stat_kcache"),
    ("pg_stat_statements", "pg_stat_statements"),
    ("pg_stat_statements", "pg_stat_statements_info"),
    ("pg_visibility", "pg_check_frozen"),
    ("pg_visibility", "pg_check_visible"),
    ("pg_visibility", "pg_visibility"),
    ("pg_visibility", "pg_visibility_map"),
    ("pg_visibility", "pg_visibility_map_summary"),
    ("pg_wait_sampling", "pg_wait_sampling_get_current"),
    ("pg_wait_sampling", "pg_wait_sampling_get_history"),
    ("pg_wait_sampling", "pg_wait_sampling_get_profile"),
    ("pgcrypto", "gen_random_bytes"),
    ("pgcrypto", "gen_random_uuid"),
    ("pgcrypto", "gen_salt"),
    ("pgrowlocks", "pgrowlocks"),
    ("pgstattuple", "pg_relpages"),
    ("pgstattuple", "pgstatginindex"),
    ("pgstattuple", "pgstathashindex"),
    ("pgstattuple", "pgstatindex"),
    ("pgstattuple", "pgstattuple"),
    ("pgstattuple", "pgstattuple_approx"),
    ("tablefunc", "normal_rand"),
    ("uuid-ossp", "uuid_generate_v1"),
    ("uuid-ossp", "uuid_generate_v1mc"),
    ("uuid-ossp", "uuid_generate_v4"),
];
/// Extensions whose stable functions compute and nothing else.
const COMPUTING_EXTENSIONS: &[&str] = &[
    "citext",
    "cube",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "ltree",
    "pg_trgm",
    "pgcrypto",
    "postgis",
    "seg",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
    "vector",
];
/// Functions of extensions that run SQL text, whatever they are declared to be.
const SQL_RUNNING: &[&str] = &["connectby", "crosstab", "dblink", "xpath_table"];

/// Catalogs and views that hold credentials, server files, or samples of data that other rules protect.
const SECRET_RELATIONS: &[&str] = &[
    "pg_authid",
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_largeobject",
    "pg_shadow",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_subscription",
    "pg_user_mapping",
    "pg_user_mappings",
    "user_mapping_options",
];

/// Judges a built-in function; `volatile` says that at least one function of this name is, `added` that somebody put one
/// of this name into pg_catalog.
pub fn builtin(name: &str, volatile: bool, added: bool) -> Result<(), &'static str> {
    if added {
        return Err("somebody added a function of this name to pg_catalog");
    }
    if HARMFUL_STABLE.contains(&name) {
        return Err("it runs SQL that it is given, or has an effect although it is declared stable");
    }
    if volatile && !name.starts_with(COUNTERS) && !HARMLESS_VOLATILE.contains(&name) {
        return Err("it is volatile and not on the reviewed list of functions that only observe");
    }
    Ok(())
}

/// Judges a function that an extension brought; `None` leaves it to its body, which is SQL.
pub fn extension_function(extension: &str, function: &Function) -> Option<Result<(), &'static str>> {
    let name = function.name.as_str();
    if HARMLESS_EXTENSION.contains(&(extension, name)) {
        return Some(Ok(()));
    }
    if SQL_RUNNING.iter().any(|prefix| name.starts_with(prefix)) {
        return Some(Err("it runs SQL that it is given"));
    }
    match (function.language.as_str(), function.volatility.as_str()) {
        ("sql", _) => None,
        // An aggregate is what its parts are.
        _ if function.kind == "a" => None,
        ("c" | "internal", "i") => Some(Ok(())),
        ("c" | "internal", "s") if COMPUTING_EXTENSIONS.contains(&extension) => Some(Ok(())),
        ("c" | "internal", _) => Some(Err(
            "it is not immutable, and its extension has not been reviewed for it",
        )),
        _ => Some(Err("it is written in a language in which it cannot be judged")),
    }
}

/// Tells whether the C symbol of an `internal` function is one that the server gives a new range type by itself.
pub fn is_range_constructor(symbol: &str) -> bool {
    [
        "range_constructor2",
        "range_constructor3",
        "multirange_constructor0",
        "multirange_constructor1",
        "multirange_constructor2",
    ]
    .contains(&symbol)
}

pub fn is_secret_relation(name: &str) -> bool {
    SECRET_RELATIONS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volatility_is_not_the_last_word() {
        assert!(builtin("lower", false, false).is_ok());
        assert!(builtin("random", true, false).is_ok());
        assert!(builtin("pg_stat_get_xact_numscans", true, false).is_ok());
        assert!(builtin("query_to_xml", true, false).is_err());
        assert!(builtin("txid_current", false, false).is_err());
        for harmful in [
            "pg_terminate_backend",
            "set_config",
            "nextval",
            "lo_import",
            "pg_advisory_lock",
            "pg_sleep",
            "pg_notify",
            "pg_stat_reset",
        ] {
            assert!(builtin(harmful, true, false).is_err(), "{harmful}");
        }
    }
}
