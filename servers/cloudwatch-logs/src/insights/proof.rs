//! Asks AWS, after a query, which log groups it read. What the text promised is believed only when AWS agrees.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use aws_telemetry::{Refusal, refused};
use kit::{CallContext, ToolError};

use super::QueryAnswer;
use crate::{scope::AllowedGroup, state::State};

/// Beyond the query's own deadline.
const PATIENCE: Duration = Duration::from_secs(4);
const MAX_PAGES: usize = 5;

/// Returns the groups that a query read, all of them among `allowed`.
pub async fn groups_read(
    state: &State,
    client: &Client,
    answer: &QueryAnswer,
    allowed: &[AllowedGroup],
    call: &CallContext,
) -> Result<Vec<String>, ToolError> {
    let asking = tokio::time::timeout(PATIENCE, identifiers(client, &answer.query_id));
    let identifiers = state.insights.while_called(call, asking).await?.map_err(|_| {
        Refusal::Unavailable.error("AWS did not say in time which log groups the query read; its answer is withheld")
    })??;
    if identifiers.is_empty() && !answer.rows.is_empty() {
        return Err(
            Refusal::UnexpectedAnswer.error("AWS does not say which log groups the query read; its answer is withheld")
        );
    }
    let read = check(&identifiers, allowed, state.account());
    if read.is_none() {
        tracing::warn!(query_id = %answer.query_id, ?identifiers, "a query read other log groups than it was to");
    }
    read.ok_or_else(|| {
        ToolError::new(
            "outside_allow_list",
            "AWS says that the query read log groups that it was not to read; its answer is withheld",
        )
        .hint("the server's log names them; tell the operator")
    })
}

async fn identifiers(client: &Client, query_id: &str) -> Result<Vec<String>, ToolError> {
    let mut all = Vec::new();
    let mut token = None;
    for _ in 0..MAX_PAGES {
        let page = client
            .list_log_groups_for_query()
            .query_id(query_id)
            .set_next_token(token.take())
            .send()
            .await
            .map_err(|error| refused("ListLogGroupsForQuery", &error))?;
        all.extend(page.log_group_identifiers().iter().cloned());
        token = page.next_token;
        if token.is_none() {
            return Ok(all);
        }
    }
    Err(Refusal::UnexpectedAnswer.error("the list of log groups that the query read does not end"))
}

/// Returns the names, if each identifier is the name of an allowed group, or its ARN in the right account. Where no account
/// is configured, all ARNs must name the same one.
fn check(identifiers: &[String], allowed: &[AllowedGroup], account: Option<&str>) -> Option<Vec<String>> {
    let mut account = account;
    let mut names = Vec::with_capacity(identifiers.len());
    for identifier in identifiers {
        let name = match identifier.strip_prefix("arn:") {
            None => identifier.as_str(),
            Some(rest) => {
                // arn:aws:logs:eu-central-1:123456789012:log-group:/aws/rds/cluster/orders/postgresql
                let parts: Vec<&str> = rest.splitn(6, ':').collect();
                let [_, "logs", _, owner, "log-group", name] = parts.as_slice() else {
                    return None;
                };
                if *account.get_or_insert(owner) != *owner {
                    return None;
                }
                name.strip_suffix(":*").unwrap_or(name)
            }
        };
        if !allowed.iter().any(|group| group.name() == name) {
            return None;
        }
        names.push(name.to_owned());
    }
    names.sort_unstable();
    names.dedup();
    Some(names)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]
    use super::*;
    use crate::scope::Scope;

    #[test]
    fn only_allowed_groups_of_one_account_are_proof() {
        let scope = Scope::parse(vec!["/a/b".to_owned(), "/a/c".to_owned()]).unwrap();
        let allowed = scope.all().unwrap();
        let check = |identifiers: &[&str], account| {
            let identifiers: Vec<String> = identifiers.iter().map(|text| (*text).to_owned()).collect();
            check(&identifiers, &allowed, account)
        };
        let arn = |account: &str, name: &str| format!("arn:aws:logs:eu-central-1:{account}:log-group:{name}");
        let (own, other) = (arn("123456789012", "/a/b"), arn("999999999999", "/a/b"));
        assert_eq!(check(&["/a/b", "/a/c"], None).unwrap(), ["/a/b", "/a/c"]);
        assert_eq!(check(&[&own, "/a/c"], Some("123456789012")).unwrap(), ["/a/b", "/a/c"]);
        assert_eq!(check(&[&format!("{own}:*")], None).unwrap(), ["/a/b"]);
        assert_eq!(check(&[], None).unwrap(), [""; 0]);
        for (identifiers, account) in [
            (vec!["/a/b", "/a/d"], None),
            (vec![other.as_str()], Some("123456789012")),
            (vec![own.as_str(), other.as_str()], None),
            (vec!["arn:aws:logs:eu-central-1:123456789012:/a/b"], None),
            (vec!["arn:aws:s3:eu-central-1:123456789012:log-group:/a/b"], None),
            (vec![""], None),
        ] {
            assert_eq!(check(&identifiers, account), None, "{identifiers:?}");
        }
    }
}
