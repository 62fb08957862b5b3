//! `POST /routes:preview`: what manifests, or a changed class, would add to the table of the gateway, shadow in it and break,
//! before anything is applied.

use super::input::{json_object, kind_of, refuse_unknown};
use super::json::pointer;
use super::problem::{Code, FieldError, Problem};
use super::routes::{RouteProblem, RouteView};
use super::{Shared, class_changes};
use crate::model::{ClassName, did_you_mean, shown};
use crate::resources::EnvironmentClass;
use crate::routing::{HostRoutes, Snapshot};
use axum::Json;
use axum::extract::{Request, State};
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// The most manifests of one call.
const MOST_MANIFESTS: usize = 100;
/// The most of each list of the answer.
const MOST_TOLD: usize = 500;

/// Who knows what the table would be.
pub trait RoutePreview: Send + Sync {
    /// The table as it is and as it would be with `objects`. None when there is no table any more.
    fn preview(&self, objects: PreviewObjects) -> BoxFuture<'_, Option<Previewed>>;
}

/// What is applied, in a copy of the table.
#[derive(Debug, Clone, Default)]
pub struct PreviewObjects {
    /// Services.
    pub services: Vec<Service>,
    /// Ingresses.
    pub ingresses: Vec<Ingress>,
    /// Classes.
    pub classes: Vec<EnvironmentClass>,
}

/// The table before and after.
#[derive(Debug, Clone)]
pub struct Previewed {
    /// As it is.
    pub before: Arc<Snapshot>,
    /// As it would be.
    pub after: Arc<Snapshot>,
    /// The Ingresses that another controller serves, as `namespace/name`.
    pub not_ours: Vec<String>,
}

/// What is to be previewed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewInput {
    /// Manifests of Services, Ingresses and EnvironmentClasses, as kubectl would apply them.
    #[schema(value_type = Vec<Object>, min_items = 1, max_items = 100)]
    pub manifests: Vec<Value>,
}

/// What would be different.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewResult {
    /// Rules that would be there.
    pub adds: Vec<RouteView>,
    /// Rules that would not be there any more.
    pub removes: Vec<RouteView>,
    /// Rules that stay, and would get fewer requests: others of their host would be asked before them.
    pub shadows: Vec<RouteView>,
    /// What would have no effect, and has none of these problems now: of the manifests themselves, and of what they break.
    pub breaks: Vec<RouteProblem>,
    /// Problems that would be over.
    pub mends: Vec<RouteProblem>,
    /// Ingresses of the manifests that are for another controller.
    pub not_ours: Vec<String>,
    /// Whether a list was cut at 500.
    pub cut: bool,
}

/// What manifests would add to the table, take from it, shadow in it and break. Nothing is applied.
#[utoipa::path(post, path = "/api/v1/routes:preview", tag = "routing", request_body = PreviewInput, responses(
    (status = 200, body = PreviewResult),
))]
pub(super) async fn preview(
    State(state): Shared,
    query: super::input::Query,
    request: Request,
) -> Result<Json<PreviewResult>, Problem> {
    query.done()?;
    let objects = read(&json_object(request).await?, &state.namespace)?;
    let unknown =
        || Problem::new(Code::ClusterUnavailable, "there is no route table to compare with; try again in a moment");
    let source = state.preview.clone().ok_or_else(unknown)?;
    let previewed = source.preview(objects).await.ok_or_else(unknown)?;
    // Every host is looked at, which takes its time with very many of them.
    let compared = tokio::task::spawn_blocking(move || compare(&previewed)).await;
    compared.map(Json).map_err(|_| unknown())
}

/// The objects of a body, or every mistake in it.
fn read(body: &Map<String, Value>, namespace: &str) -> Result<PreviewObjects, Problem> {
    let mut errors = Vec::new();
    refuse_unknown(body, "", &["manifests"], &mut errors);
    let mut objects = PreviewObjects::default();
    match body.get("manifests") {
        Some(Value::Array(manifests)) if (1..=MOST_MANIFESTS).contains(&manifests.len()) => {
            for (index, manifest) in manifests.iter().enumerate() {
                let at = pointer("/manifests", &index.to_string());
                if let Err(mut told) = manifest_of(manifest, &at, namespace, &mut objects) {
                    errors.append(&mut told);
                }
            }
        }
        Some(Value::Array(manifests)) => {
            let said =
                format!("there are {} manifests; 1 to {MOST_MANIFESTS} can be looked at in one call", manifests.len());
            errors.push(FieldError::new("/manifests", said));
        }
        Some(other) => {
            errors.push(FieldError::new("/manifests", format!("manifests is {}; it has to be a list", kind_of(other))));
        }
        None => errors.push(FieldError::new("/manifests", "manifests is missing; give a list of objects")),
    }
    if errors.is_empty() { Ok(objects) } else { Err(Problem::invalid(errors)) }
}

fn manifest_of(
    manifest: &Value,
    at: &str,
    namespace: &str,
    objects: &mut PreviewObjects,
) -> Result<(), Vec<FieldError>> {
    const KINDS: [(&str, &str); 3] =
        [("v1", "Service"), ("networking.k8s.io/v1", "Ingress"), ("doorstep.dev/v1alpha1", "EnvironmentClass")];
    let wrong = |place: &str, said: String| vec![FieldError::new(format!("{at}{place}"), said)];
    let text = |place: &str| manifest.pointer(place).and_then(Value::as_str).unwrap_or_default();
    let (version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
    if !KINDS.contains(&(version, kind)) {
        let hint = did_you_mean(kind, KINDS.iter().map(|(_, kind)| *kind));
        let said = format!("{} {} has no routes to preview{hint}", shown(version), shown(kind));
        return Err(wrong("/kind", said));
    }
    let named =
        !name.is_empty() && name.len() <= 253 && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-.".contains(&c));
    if !named {
        return Err(wrong("/metadata/name", format!("{} is no name of an object", shown(name))));
    }
    match kind {
        "EnvironmentClass" => {
            let name = name.parse::<ClassName>().map_err(|error| wrong("/metadata/name", error.to_string()))?;
            let spec = manifest.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
            let inside = |error: FieldError| FieldError::new(format!("{at}/spec{}", error.pointer), error.detail);
            let checked = class_changes::checked(&name, &spec);
            let (class, _) = checked.map_err(|problem| problem.errors.into_iter().map(inside).collect::<Vec<_>>())?;
            objects.classes.push(class);
        }
        "Service" => objects.services.push(typed(manifest, namespace).map_err(|said| wrong("", said))?),
        _ => objects.ingresses.push(typed(manifest, namespace).map_err(|said| wrong("", said))?),
    }
    Ok(())
}

/// An object of the cluster. One without a namespace is in that of the environments; an age that somebody claims is not
/// believed.
fn typed<K: DeserializeOwned + kube::Resource>(manifest: &Value, namespace: &str) -> Result<K, String> {
    let mut object: K =
        serde_json::from_value(manifest.clone()).map_err(|error| format!("it cannot be read: {error}"))?;
    let meta = object.meta_mut();
    meta.namespace.get_or_insert_with(|| namespace.to_owned());
    meta.creation_timestamp = None;
    Ok(object)
}

/// What is different between two tables. Hosts that nothing has touched are the very same values.
fn compare(previewed: &Previewed) -> PreviewResult {
    let by_name = |snapshot: &Snapshot| -> BTreeMap<String, Arc<HostRoutes>> {
        snapshot.hosts().map(|host| (host.host.to_string(), host.clone())).collect()
    };
    let (before, after) = (by_name(&previewed.before), by_name(&previewed.after));
    let mut result = PreviewResult { not_ours: previewed.not_ours.clone(), ..PreviewResult::default() };
    for (name, host) in &after {
        match before.get(name) {
            Some(known) if Arc::ptr_eq(known, host) => {}
            known => host_changed(name, known.map(|host| &**host), Some(host), &mut result),
        }
    }
    for (name, host) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
        host_changed(name, Some(host), None, &mut result);
    }
    let problems = |snapshot: &Snapshot| snapshot.problems().map(RouteProblem::of).collect::<Vec<_>>();
    let (were, would) = (problems(&previewed.before), problems(&previewed.after));
    result.breaks = would.iter().filter(|problem| !were.contains(problem)).cloned().collect();
    result.mends = were.iter().filter(|problem| !would.contains(problem)).cloned().collect();
    for list in [&mut result.adds, &mut result.removes, &mut result.shadows] {
        result.cut |= list.len() > MOST_TOLD;
        list.truncate(MOST_TOLD);
    }
    for list in [&mut result.breaks, &mut result.mends] {
        result.cut |= list.len() > MOST_TOLD;
        list.truncate(MOST_TOLD);
    }
    result
}

fn host_changed(name: &str, before: Option<&HostRoutes>, after: Option<&HostRoutes>, result: &mut PreviewResult) {
    let rules = |host: Option<&HostRoutes>| -> Vec<RouteView> {
        host.into_iter().flat_map(|host| host.rules().iter().map(|rule| RouteView::of(name, rule))).collect()
    };
    // How full a backend is at this moment is no difference.
    let same = |a: &RouteView, b: &RouteView| {
        (&a.source, a.place, &a.matches) == (&b.source, b.place, &b.matches) && leads(a) == leads(b)
    };
    let (before, after) = (rules(before), rules(after));
    let is_new = |rule: &RouteView| !before.iter().any(|known| same(known, rule));
    let first_new = after.iter().position(is_new);
    for (place, rule) in after.iter().enumerate() {
        if is_new(rule) {
            result.adds.push(rule.clone());
        } else if first_new.is_some_and(|first| first < place) {
            result.shadows.push(rule.clone());
        }
    }
    result.removes.extend(before.into_iter().filter(|rule| !after.iter().any(|kept| same(kept, rule))));
}

fn leads(rule: &RouteView) -> Vec<(&str, u32)> {
    rule.backends.iter().map(|backend| (backend.cluster.as_str(), backend.weight)).collect()
}
