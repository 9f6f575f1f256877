//! Which log groups may be read. A name from a tool's argument becomes a request only by passing through here.

use aws_telemetry::Refusal;
use kit::ToolError;

/// As many as one Logs Insights query accepts.
const MAX_GROUPS: usize = 50;

/// The operator's allow-list: exact names.
#[derive(Debug)]
pub struct Scope(Vec<String>);

/// A log group that stands on the allow-list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedGroup(String);

impl AllowedGroup {
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl Scope {
    /// Parses the configured names, or returns every fault.
    pub fn parse(names: Vec<String>) -> Result<Self, Vec<String>> {
        let fault = |name: &String| format!("[logs] `groups`: `{name}` is not the exact name of a log group");
        let mut faults: Vec<String> = names.iter().filter(|name| !is_name(name)).map(fault).collect();
        if names.len() > MAX_GROUPS {
            faults.push(format!(
                "[logs] `groups` has {} names, at most {MAX_GROUPS} are allowed",
                names.len()
            ));
        }
        if faults.is_empty() {
            Ok(Self(names))
        } else {
            Err(faults)
        }
    }

    pub fn allow(&self, name: &str) -> Result<AllowedGroup, ToolError> {
        self.configured()?;
        match self.0.iter().find(|allowed| *allowed == name) {
            Some(allowed) => Ok(AllowedGroup(allowed.clone())),
            None => {
                let known: Vec<String> = self.0.iter().take(10).map(|name| format!("`{name}`")).collect();
                Err(ToolError::new(
                    "outside_allow_list",
                    "this log group is not one that the operator has allowed",
                )
                .hint(format!("allowed: {}", known.join(", "))))
            }
        }
    }

    /// Allows each of `names`, or refuses the first that is not on the list; a name given twice counts once.
    pub fn allow_each(&self, names: &[String]) -> Result<Vec<AllowedGroup>, ToolError> {
        let mut groups: Vec<AllowedGroup> = Vec::with_capacity(names.len());
        for name in names {
            let group = self.allow(name)?;
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        if groups.is_empty() {
            return Err(
                ToolError::invalid_argument("`log_groups` is empty").hint("list_log_groups shows what may be read")
            );
        }
        Ok(groups)
    }

    /// Returns all allowed groups; none at all is `not_configured`.
    pub fn all(&self) -> Result<Vec<AllowedGroup>, ToolError> {
        self.configured()?;
        Ok(self.0.iter().cloned().map(AllowedGroup).collect())
    }

    fn configured(&self) -> Result<(), ToolError> {
        if self.0.is_empty() {
            return Err(Refusal::NotConfigured
                .error("no log group is configured")
                .hint("the operator must set `[logs] groups`, `--log-group` or COUNTERSIGN_LOG_GROUPS"));
        }
        Ok(())
    }
}

/// The characters that CloudWatch allows in a name; a pattern or an ARN is none.
fn is_name(name: &str) -> bool {
    (1..=512).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/' | b'.' | b'#'))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;

    const GROUP: &str = "/aws/rds/cluster/orders/postgresql";

    #[test]
    fn only_an_exact_name_passes() {
        let scope = Scope::parse(vec![GROUP.to_owned()]).unwrap();
        assert_eq!(scope.allow(GROUP).unwrap().name(), GROUP);
        for name in [
            "/aws/rds/cluster/orders/postgresql2",
            "/aws/rds/cluster/orders",
            "/AWS/rds/cluster/orders/postgresql",
            "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/rds/cluster/orders/postgresql",
            "/aws/rds/cluster/orders/postgresql ",
            "",
        ] {
            assert_eq!(scope.allow(name).unwrap_err().code, "outside_allow_list", "{name}");
        }
    }

    #[test]
    fn patterns_and_arns_are_no_names() {
        for name in ["/aws/*", "arn:aws:logs:x:1:log-group:a", "", "a b", "a\nb"] {
            assert_eq!(Scope::parse(vec![name.to_owned()]).unwrap_err().len(), 1, "{name}");
        }
    }

    #[test]
    fn without_a_list_nothing_is_allowed() {
        let scope = Scope::parse(Vec::new()).unwrap();
        assert_eq!(scope.allow(GROUP).unwrap_err().code, "not_configured");
        assert_eq!(scope.all().unwrap_err().code, "not_configured");
    }
}
