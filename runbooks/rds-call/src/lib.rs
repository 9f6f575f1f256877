//! What a step of kind `aws.rds` may ask of Amazon RDS: five operations, parsed once, and what each of them needs.
//! Nothing here can send anything.

mod call;
mod form;
mod name;
mod parameters;
mod permission;
mod place;

pub use call::{ApplyMethod, Change, RdsCall};
pub use form::Form;
pub use name::{ClusterId, GroupName, InstanceClass, InstanceId, ParameterName, ParameterValue};
pub use parameters::{Bound, RdsCallError};
pub use permission::Permission;
pub use place::{Place, PlaceError};
