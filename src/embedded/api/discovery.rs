//! What is served: health, version, groups and resources, in the classic form and the aggregated one.

use super::failure::{Failure, Outcome};
use super::kinds::{Kind, KindInfo, Subresource};
use super::request::Call;
use super::response::{self, Body};
use super::service::Api;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The version of Kubernetes whose API this is a part of.
const MINOR: &str = "36";
/// The media type of aggregated discovery, as an answer names it.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Answers a path outside of the objects.
pub(crate) fn answer(api: &Api, call: &Call, segments: &[&str]) -> Outcome<Response<Body>> {
    if !matches!(call.method, Method::GET | Method::HEAD) {
        return Err(Failure::method_not_allowed());
    }
    let aggregated = call.accept().contains("apidiscovery.k8s.io") && call.accept().contains("v=v2");
    let value = match segments {
        ["healthz" | "livez" | "readyz", ..] => return Ok(response::bytes(StatusCode::OK, "text/plain", "ok")),
        ["version"] => version(),
        ["api"] if aggregated => return Ok(aggregate(api, true)),
        ["apis"] if aggregated => return Ok(aggregate(api, false)),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => {
            let groups: Vec<Value> = groups(api).iter().map(|(group, versions)| group_value(group, versions)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["api", version] => resources(api, "", version)?,
        ["apis", group, version] => resources(api, group, version)?,
        ["apis", group] => {
            let groups = groups(api);
            let versions = groups.get(*group).ok_or_else(Failure::no_such_path)?;
            let mut value = group_value(group, versions);
            super::json::set(&mut value, &["kind"], "APIGroup");
            super::json::set(&mut value, &["apiVersion"], "v1");
            value
        }
        [] => {
            let mut paths: Vec<String> = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
            for (group, versions) in groups(api) {
                paths.push(format!("/apis/{group}"));
                paths.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
            }
            let rest = ["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"];
            paths.extend(rest.map(ToOwned::to_owned));
            json!({"paths": paths})
        }
        _ => return Err(Failure::no_such_path()),
    };
    Ok(response::json(StatusCode::OK, &value))
}

fn version() -> Value {
    json!({
        "major": "1", "minor": MINOR, "gitVersion": format!("v1.{MINOR}.0+doorstep-{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// The named groups and their versions.
fn groups(api: &Api) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for kind in all(api).iter().filter(|kind| !kind.group.is_empty()) {
        let versions = groups.entry(kind.group.clone()).or_default();
        if !versions.contains(&kind.version) {
            versions.push(kind.version.clone());
        }
    }
    groups
}

/// The kinds that are kept, and those that are worked out when asked for.
fn all(api: &Api) -> Vec<KindInfo> {
    let kept = api.registry.all().map(|kind: &std::sync::Arc<Kind>| kind.info.clone());
    let virtual_kind = |group: &str, version: &str, kind: &str, plural: &str, namespaced: bool| KindInfo {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        short_names: Vec::new(),
        namespaced,
        subresources: Vec::new(),
        categories: Vec::new(),
    };
    kept.chain([
        virtual_kind("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", true),
        virtual_kind("metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", false),
        virtual_kind("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", false),
        virtual_kind("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", false),
    ])
    .collect()
}

fn verbs(kind: &KindInfo) -> &'static [&'static str] {
    match kind.group.as_str() {
        "metrics.k8s.io" => &["get", "list"],
        "authorization.k8s.io" | "authentication.k8s.io" => &["create"],
        _ => &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    }
}

/// Group, version and kind of what a subresource speaks, and its verbs.
fn speaks(kind: &KindInfo, subresource: Subresource) -> ((String, String, String), &'static [&'static str]) {
    let own = (kind.group.clone(), kind.version.clone(), kind.kind.clone());
    match subresource {
        Subresource::Status => (own, &["get", "patch", "update"]),
        Subresource::Scale => {
            (("autoscaling".to_owned(), "v1".to_owned(), "Scale".to_owned()), &["get", "patch", "update"])
        }
        Subresource::Log => (own, &["get"]),
        Subresource::Binding => ((String::new(), "v1".to_owned(), "Binding".to_owned()), &["create"]),
        Subresource::Finalize => (own, &["update"]),
    }
}

fn group_value(group: &str, versions: &[String]) -> Value {
    let entry = |version: &String| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    json!({
        "name": group,
        "versions": versions.iter().map(entry).collect::<Vec<_>>(),
        "preferredVersion": versions.first().map(entry),
    })
}

fn resources(api: &Api, group: &str, version: &str) -> Outcome<Value> {
    let mut resources = Vec::new();
    for kind in all(api).iter().filter(|kind| kind.group == group && kind.version == version) {
        resources.push(json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
            "verbs": verbs(kind), "shortNames": kind.short_names, "categories": kind.categories,
        }));
        for subresource in &kind.subresources {
            let ((group, version, spoken), verbs) = speaks(kind, *subresource);
            resources.push(json!({
                "name": format!("{}/{}", kind.plural, subresource.as_str()), "singularName": "",
                "namespaced": kind.namespaced, "group": group, "version": version, "kind": spoken, "verbs": verbs,
            }));
        }
    }
    if resources.is_empty() {
        return Err(Failure::no_such_path());
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Ok(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}))
}

/// All groups with all their resources in one answer (`apidiscovery.k8s.io/v2`).
fn aggregate(api: &Api, core: bool) -> Response<Body> {
    let kinds = all(api);
    let wanted = if core { BTreeMap::from([(String::new(), vec!["v1".to_owned()])]) } else { groups(api) };
    let group = |(group, versions): (&String, &Vec<String>)| {
        let version = |version: &String| {
            let of_version = kinds.iter().filter(|kind| kind.group == *group && kind.version == *version);
            json!({
                "version": version, "freshness": "Current",
                "resources": of_version.map(aggregated_resource).collect::<Vec<_>>(),
            })
        };
        json!({
            "metadata": {"name": if core { Value::Null } else { Value::from(group.as_str()) }},
            "versions": versions.iter().map(version).collect::<Vec<_>>(),
        })
    };
    let list = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
        "items": wanted.iter().map(group).collect::<Vec<_>>(),
    });
    response::bytes(StatusCode::OK, AGGREGATED, list.to_string())
}

fn aggregated_resource(kind: &KindInfo) -> Value {
    let spoken = |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let subresource = |subresource: &Subresource| {
        let ((group, version, kind), verbs) = speaks(kind, *subresource);
        json!({
            "subresource": subresource.as_str(), "responseKind": spoken(&group, &version, &kind), "verbs": verbs,
        })
    };
    json!({
        "resource": kind.plural, "responseKind": spoken(&kind.group, &kind.version, &kind.kind),
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular, "verbs": verbs(kind), "shortNames": kind.short_names,
        "categories": kind.categories,
        "subresources": kind.subresources.iter().map(subresource).collect::<Vec<_>>(),
    })
}
