//! The tools, one per file.

mod list_log_groups;
mod postgres_error_summary;
mod recent_log_lines;

pub use list_log_groups::ListLogGroups;
pub use postgres_error_summary::PostgresErrorSummary;
pub use recent_log_lines::RecentLogLines;
