//! Locks as rows of the server tell of them: who waits, who holds, and what follows from both. Pure.

mod ddl_queue;
mod facts;
mod graph;
mod modes;

pub use ddl_queue::{DdlQueue, ddl_queues};
pub use facts::{Fact, Facts, Hold, SessionFact};
pub use graph::{LockGraph, Node, Tree};
pub use modes::is_strong;
