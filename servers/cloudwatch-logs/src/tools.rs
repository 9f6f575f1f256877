//! The tools, one per file.

mod autovacuum_activity;
mod connection_failures;
mod list_log_groups;
mod lock_waits_and_deadlocks;
mod log_patterns;
mod log_record;
mod logs_insights_query;
mod postgres_error_summary;
mod recent_log_lines;
mod slow_queries;

pub use autovacuum_activity::AutovacuumActivity;
pub use connection_failures::ConnectionFailures;
pub use list_log_groups::ListLogGroups;
pub use lock_waits_and_deadlocks::LockWaitsAndDeadlocks;
pub use log_patterns::LogPatterns;
pub use log_record::LogRecord;
pub use logs_insights_query::LogsInsightsQuery;
pub use postgres_error_summary::PostgresErrorSummary;
pub use recent_log_lines::RecentLogLines;
pub use slow_queries::SlowQueries;
