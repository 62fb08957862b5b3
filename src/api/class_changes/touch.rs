//! Whom a change of a class touches: each of its environments, before and after.

use crate::api::ApiState;
use crate::api::seen::Item;
use crate::model::{ClassName, Parameters, substitute};
use crate::resources::{Class, EnvironmentClass};
use kube::ResourceExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// What a change of a class does to an environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassTouch {
    /// The environment.
    #[schema(example = "haimaz-integration")]
    pub name: String,
    /// Whose it is.
    pub user: String,
    /// Its pods are made anew.
    pub restarts: bool,
    /// It gets more pods, or fewer.
    pub scales: bool,
    /// It is kept for another time, sleeps at others, or may be pinned no more: the life that its class gives is another one.
    #[serde(default)]
    pub lives: bool,
    /// Its host is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostChange>,
    /// Why it cannot be brought up any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breaks: Vec<String>,
}

/// The host of an environment before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HostChange {
    /// Before; null where it had none.
    pub from: Option<String>,
    /// After; null where the pattern makes none for this user.
    pub to: Option<String>,
}

/// The environments that are touched when the class `before` becomes `after`.
pub(super) fn of_change(state: &ApiState, before: &EnvironmentClass, after: &Class) -> Vec<ClassTouch> {
    let name: &ClassName = &after.name;
    let before = Class::try_from(before).ok();
    let touched = |item: &std::sync::Arc<Item>| {
        let touch = ClassTouch {
            name: item.object.name_any(),
            user: item.object.spec.user.clone(),
            ..difference(state, item, before.as_ref(), after)
        };
        let idle = ClassTouch { name: touch.name.clone(), user: touch.user.clone(), ..ClassTouch::default() };
        (touch != idle).then_some(touch)
    };
    state.seen.all(|item| item.key.class == *name).iter().filter_map(touched).collect()
}

fn difference(state: &ApiState, item: &Item, before: Option<&Class>, after: &Class) -> ClassTouch {
    let host = |class: &Class| class.host.host(&item.key.user, &state.domain).map(|host| host.to_string());
    let (from, to) = (before.and_then(|class| host(class).ok()), host(after));
    let mut breaks = Vec::new();
    if let Err(error) = &to {
        breaks.push(error.to_string());
    }
    if let Err(mistakes) = Parameters::check(after.name.as_str(), &after.parameters, &item.object.spec.parameters) {
        breaks.extend(mistakes.iter().map(ToString::to_string));
    }
    let to = to.ok();
    ClassTouch {
        restarts: breaks.is_empty() && before.map(|class| pods(state, item, class)) != Some(pods(state, item, after)),
        lives: before.is_none_or(|class| class.life != after.life),
        scales: before.is_none_or(|class| class.spec.replicas != after.spec.replicas),
        host: (from != to).then_some(HostChange { from, to }),
        breaks,
        ..ClassTouch::default()
    }
}

/// All that an environment's pods are made of, with its own values. None where they cannot be made.
fn pods(state: &ApiState, item: &Item, class: &Class) -> Option<Value> {
    let values = Parameters::check(class.name.as_str(), &class.parameters, &item.object.spec.parameters).ok()?;
    let host = class.host.host(&item.key.user, &state.domain).ok()?;
    let value = |name: &str| match name {
        "user" => Some(item.key.user.as_str()),
        "class" => Some(item.key.class.as_str()),
        "host" => Some(host.as_str()),
        "domain" => Some(state.domain.as_str()),
        // Declared, optional and not given.
        _ => Some(values.value(name).unwrap_or_default()),
    };
    let spec = &class.spec;
    let mut made = json!({
        "template": spec.template.0,
        "local": spec.local,
        "port": spec.port,
        "readiness": spec.readiness,
        "resources": spec.resources,
    });
    fill(&mut made, &value)?;
    Some(made)
}

fn fill<'v>(made: &mut Value, value: &impl Fn(&str) -> Option<&'v str>) -> Option<()> {
    match made {
        Value::String(text) => *text = substitute(text, value).ok()?,
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(item, value))?,
        Value::Object(fields) => fields.values_mut().try_for_each(|field| fill(field, value))?,
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Some(())
}
