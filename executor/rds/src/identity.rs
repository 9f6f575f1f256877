//! What the operator's configuration says that the target is at AWS.

use std::collections::BTreeMap;

use rds_call::{ClusterId, InstanceId, Place};

/// The instances, and the cluster, that this target consists of. A name can be given to another instance; a resource id
/// cannot, so each name stands with its resource id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub place: Place,
    /// By name, their `DbiResourceId`.
    pub instances: BTreeMap<InstanceId, String>,
    /// Name and `DbClusterResourceId`.
    pub cluster: Option<(ClusterId, String)>,
}
