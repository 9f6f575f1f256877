//! What AWS adds to a diagnosis: causes that SQL cannot see, and witnesses for and against those that it can.

mod instance;
mod log;
mod witness;

#[cfg(test)]
mod tests;

use crate::causes::Assessment;
use crate::cloud::Cloud;
use crate::thresholds::Thresholds;

#[cfg(test)]
pub(crate) use log::REFUSED as REFUSED_LOGINS;
pub(crate) use witness::{bear_witness, for_healthy, for_unexplained};

/// Every cause that AWS alone can show.
pub(crate) fn assess(cloud: &Cloud, thresholds: &Thresholds) -> Vec<Assessment> {
    [
        instance::storage,
        instance::failover,
        instance::memory,
        instance::io,
        instance::capacity,
        log::deadlocks,
        log::logins,
    ]
    .iter()
    .map(|assess| assess(cloud, thresholds))
    .collect()
}
