//! Which call is which kind of action. A call without a line here is refused to everybody, and a test that reads the
//! OpenAPI document fails.

use crate::identity::Action::{self, *};

/// Every guarded call: its method, its path under `/api/v1` as the OpenAPI document has it, and what it is.
///
/// `GET` stands for `HEAD` as well.
pub(super) const RULES: &[(&str, &str, Action)] = &[
    ("GET", "/environments", ListEnvironments),
    ("GET", "/environments/{user}/{class}", SeeEnvironment),
    ("PUT", "/environments/{user}/{class}", DeployEnvironment),
    ("DELETE", "/environments/{user}/{class}", DeleteEnvironment),
    ("GET", "/environments/{user}/{class}/pods", SeeEnvironment),
    ("GET", "/environments/{user}/{class}/logs", ReadLogs),
    ("GET", "/environments/{user}/{class}/events", SeeEnvironment),
    ("GET", "/environments/{user}/{class}/watch", SeeEnvironment),
    ("GET", "/environments/{user}/{class}/access", SeeEnvironment),
    ("GET", "/environments/{user}/{class}/revisions", SeeEnvironment),
    ("GET", "/environments/{user}/{class}/revisions/{number}/diff", SeeEnvironment),
    ("GET", "/environments/{user}/{class}/generations/{number}", SeeEnvironment),
    ("GET", "/environments/{user}/{class}/generations/{number}:wait", SeeEnvironment),
    ("POST", "/environments/{user}/{class}:rollback", DeployEnvironment),
    ("POST", "/environments/{user}/{class}:restart", OperateEnvironment),
    ("POST", "/environments/{user}/{class}:sleep", OperateEnvironment),
    ("POST", "/environments/{user}/{class}:wake", OperateEnvironment),
    ("POST", "/environments/{user}/{class}:pin", OperateEnvironment),
    ("POST", "/environments/{user}/{class}:unpin", OperateEnvironment),
    ("POST", "/environments/{user}/{class}:extend", OperateEnvironment),
    ("POST", "/environments:delete", DeleteManyEnvironments),
    ("POST", "/environments:restart", ChangeManyEnvironments),
    ("POST", "/environments:sleep", ChangeManyEnvironments),
    ("POST", "/environments:wake", ChangeManyEnvironments),
    ("POST", "/environments:extend", ChangeManyEnvironments),
    ("GET", "/events", FollowEvents),
    ("GET", "/classes", SeeClasses),
    ("GET", "/classes/{name}", SeeClasses),
    ("PUT", "/classes/{name}", ChangeClasses),
    ("DELETE", "/classes/{name}", ChangeClasses),
    ("GET", "/quotas", SeeUse),
    ("GET", "/routes", SeeRoutes),
    ("POST", "/routes:preview", Preview),
    ("GET", "/dns/plan", SeeDns),
    ("POST", "/dns:verify", SeeDns),
    ("POST", "/dns:confirm", ChangeDns),
    ("POST", "/explain", SeeRoutes),
    ("GET", "/audit", ReadAudit),
    ("GET", "/audit/chain", ReadAudit),
    ("GET", "/costs", SeeUse),
    ("GET", "/webhooks", ManageWebhooks),
    ("POST", "/webhooks", ManageWebhooks),
    ("GET", "/webhooks/{id}", ManageWebhooks),
    ("PUT", "/webhooks/{id}", ManageWebhooks),
    ("DELETE", "/webhooks/{id}", ManageWebhooks),
    ("GET", "/webhooks/{id}/deliveries", ManageWebhooks),
    ("POST", "/webhooks/{id}/deliveries/{delivery}:resend", ManageWebhooks),
    ("GET", "/tokens", ListTokens),
    ("POST", "/tokens", ManageTokens),
    ("DELETE", "/tokens/{id}", ManageTokens),
    ("GET", "/me", WhoAmI),
    ("GET", "/version", SeeInstallation),
];

/// What the rules say of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ruled {
    /// It is this.
    Is(Action),
    /// The path has these methods, and not this one.
    OtherMethods(Vec<&'static str>),
    /// There is no such call.
    Unknown,
}

/// The rule for `method` at `path`, a path as in [`RULES`].
pub(super) fn rule(method: &str, path: &str) -> Ruled {
    let method = if method == "HEAD" { "GET" } else { method };
    let of_path = || RULES.iter().filter(|(_, known, _)| *known == path);
    if let Some((_, _, action)) = of_path().find(|(known, _, _)| *known == method) {
        return Ruled::Is(*action);
    }
    let methods: Vec<&str> = of_path().map(|(known, _, _)| *known).collect();
    if methods.is_empty() { Ruled::Unknown } else { Ruled::OtherMethods(methods) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// What everybody may read.
    const OPEN: [&str; 1] = ["/login"];

    #[test]
    fn every_described_call_has_a_rule_and_every_rule_is_of_a_described_call() {
        let document = serde_json::to_value(crate::api::openapi_document()).unwrap();
        let mut described = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            let path = path.strip_prefix("/api/v1").unwrap().to_owned();
            for (method, operation) in methods.as_object().unwrap() {
                // Nobody needs a rule for what is open: what is open is said here, a second time.
                if OPEN.contains(&path.as_str()) {
                    assert_eq!(operation["security"], serde_json::json!([{}]), "{path} is described as open");
                    continue;
                }
                assert!(operation["security"].is_null(), "{path} is described as open, and is not");
                let method = method.to_uppercase();
                assert!(matches!(rule(&method, &path), Ruled::Is(_)), "no rule for {method} {path} in api/rules.rs");
                described.insert((method, path.clone()));
            }
        }
        let ruled: Vec<(String, String)> = RULES.iter().map(|(m, p, _)| ((*m).to_owned(), (*p).to_owned())).collect();
        for call in &ruled {
            assert!(described.contains(call), "a rule for a call that is not described: {call:?}");
        }
        assert_eq!(ruled.len(), described.len(), "no call has two rules");
    }

    #[test]
    fn a_method_without_a_rule_is_none_of_the_calls() {
        assert_eq!(rule("HEAD", "/classes"), Ruled::Is(SeeClasses));
        assert_eq!(rule("PATCH", "/version"), Ruled::OtherMethods(vec!["GET"]));
        assert_eq!(rule("GET", "/nothing"), Ruled::Unknown);
    }
}
