//! How what a call is about looks in the cluster: before a call, and after one that was cut off.
//!
//! The call itself begins with what was seen before it, and leaves what it has made of it, so that neither is asked for twice.

use crate::model::EnvironmentKey;
use crate::resources::{Environment, EnvironmentClass};
use crate::store::Target;
use kube::Api;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// What a call is about.
#[derive(Debug)]
pub(super) enum Observed {
    Environment(String, Option<Box<Environment>>),
    Class(Option<Box<EnvironmentClass>>),
}

/// Looks at what `target` names; nothing where it names nothing in the cluster, or the cluster does not answer.
pub(super) async fn observed(client: &kube::Client, namespace: &str, target: &Target) -> Option<Observed> {
    match (&target.user, &target.class) {
        (Some(user), Some(class)) => {
            let api: Api<Environment> = Api::namespaced(client.clone(), namespace);
            let name = format!("{user}-{class}");
            let found = api.get_opt(&name).await.ok()?;
            Some(Observed::Environment(name, found.map(Box::new)))
        }
        (None, Some(class)) => {
            let api: Api<EnvironmentClass> = Api::all(client.clone());
            Some(Observed::Class(api.get_opt(class).await.ok()?.map(Box::new)))
        }
        (_, None) => None,
    }
}

impl Observed {
    /// What is wished for, `null` where there is no such thing.
    pub(super) fn wish(&self) -> Option<Value> {
        let wish = match self {
            Self::Environment(_, object) => object.as_ref().map(|object| serde_json::to_value(&object.spec)),
            Self::Class(object) => object.as_ref().map(|object| serde_json::to_value(&object.spec)),
        };
        Some(wish.transpose().ok()?.unwrap_or(Value::Null))
    }
}

tokio::task_local! {
    static SIGHT: Arc<Sight>;
}

/// What a call under way has in its hands of the environment that it is about.
#[derive(Debug, Default)]
pub(super) struct Sight {
    name: String,
    /// As it was before the call; taken away once something was written.
    before: Mutex<Option<Option<Environment>>>,
    after: Mutex<Option<Value>>,
}

impl Sight {
    /// A call that begins with this.
    pub(super) fn new(observed: Option<Observed>) -> Arc<Self> {
        let (name, before) = match observed {
            Some(Observed::Environment(name, object)) => (name, Some(object.map(|object| *object))),
            Some(Observed::Class(_)) | None => (String::new(), None),
        };
        Arc::new(Self { name, before: Mutex::new(before), after: Mutex::default() })
    }

    /// Does the work of the call.
    pub(super) async fn during<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        SIGHT.scope(self, work).await
    }

    /// The wish that the call has left.
    pub(super) fn after(&self) -> Option<Value> {
        self.after.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The environment that the call under way is about, as it was when the call began; none where another one is asked for, or this
/// call has written it since. Whoever writes by it has to do so on the condition that nobody else has written meanwhile.
pub(in crate::api) fn at_first(key: &EnvironmentKey) -> Option<Option<Environment>> {
    let sight = of(key)?;
    sight.before.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Tells what the call under way has made of an environment: the object as it is now, none where it is gone.
pub(in crate::api) fn became(key: &EnvironmentKey, object: Option<&Environment>) {
    let Some(sight) = of(key) else { return };
    let wish = object.map(|object| serde_json::to_value(&object.spec)).transpose();
    *sight.before.lock().unwrap_or_else(PoisonError::into_inner) = None;
    *sight.after.lock().unwrap_or_else(PoisonError::into_inner) = wish.ok().map(Option::unwrap_or_default);
}

fn of(key: &EnvironmentKey) -> Option<Arc<Sight>> {
    SIGHT.try_with(Clone::clone).ok().filter(|sight| sight.name == key.object_name())
}
