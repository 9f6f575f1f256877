# Every number and every list of names that the policy knows.
package countersign

limits := {
	"steps": 50,
	"statement_timeout_s": 600,
	"lock_timeout_ms": 5000,
	"state_wait_s": 600,
	"verification_s": 3600,
	"approval_window_s": 900,
	"execution_window_s": 1800,
	"executions_last_day": 24,
	"blast_radius": {"sessions": 500, "statements": 50},
}

lesser_environments := {"ci", "demo", "dev", "development", "sandbox", "staging", "test"}

# The only functions that may have an effect, and only where `signal_proven` says.
signal_functions := {"pg_catalog.pg_cancel_backend", "pg_catalog.pg_terminate_backend"}

# Functions that change nothing, whoever calls them; with or without `pg_catalog.` before them.
reading_functions := {
	"abs",
	"age",
	"array_agg",
	"bool_and",
	"bool_or",
	"ceil",
	"clock_timestamp",
	"count",
	"current_database",
	"current_setting",
	"extract",
	"floor",
	"greatest",
	"inet_server_addr",
	"least",
	"length",
	"lower",
	"make_interval",
	"max",
	"min",
	"now",
	"pg_backend_pid",
	"pg_blocking_pids",
	"pg_current_wal_lsn",
	"pg_database_size",
	"pg_is_in_recovery",
	"pg_last_xact_replay_timestamp",
	"pg_postmaster_start_time",
	"pg_relation_size",
	"pg_total_relation_size",
	"pg_wal_lsn_diff",
	"round",
	"statement_timestamp",
	"sum",
	"to_regclass",
	"transaction_timestamp",
	"upper",
}

# Types whose input and casts run no code of a user; with or without `pg_catalog.` before them.
plain_types := {
	"bool",
	"date",
	"float4",
	"float8",
	"inet",
	"int2",
	"int4",
	"int8",
	"interval",
	"name",
	"numeric",
	"oid",
	"pg_lsn",
	"regclass",
	"regrole",
	"text",
	"timestamp",
	"timestamptz",
	"varchar",
	"xid",
	"xid8",
}

# Settings of a role that a plan may change: each bounds how long a session may hold on to something.
role_settings := {
	"idle_in_transaction_session_timeout",
	"idle_session_timeout",
	"lock_timeout",
	"statement_timeout",
	"transaction_timeout",
}
