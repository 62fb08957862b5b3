//! A class is taken away only while nobody makes an environment of it.
//!
//! Both sides write first and look then, so that one of them sees the other: a class is marked, and then all environments are looked at; an
//! environment is made, and then its class is looked at, and one whose class is marked or gone is taken back. A finalizer on classes would hold up
//! `kubectl delete` as well, but it would outlive the manager: its classes, and the definition of their kind with them, could not be removed any more.

use super::super::environments;
use crate::api::class_mark::{going, is_going};
use crate::api::classes::{api, unknown};
use crate::api::problem::{Code, Problem};
use crate::api::{ApiState, cluster};
use crate::model::{ClassName, EnvironmentKey, between, shown};
use crate::resources::labels::{API_FIELD_MANAGER, GOING};
use crate::resources::{Environment, EnvironmentClass};
use jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, ListParams, PostParams, Preconditions};
use std::time::Duration;

/// How long whoever made the mark may take to act on it.
const ACTS: Duration = Duration::from_secs(30);
/// Environments that are looked at at once.
const PAGE: u32 = 500;
/// The most environments that a sentence names.
const NAMED: usize = 10;

/// That the class stays for its users.
pub(super) fn in_use(name: &ClassName, users: &[String]) -> Problem {
    let mut names: Vec<String> = users.iter().take(NAMED).cloned().collect();
    if users.len() > NAMED {
        names.push(format!("{} others", users.len() - NAMED));
    }
    let said = format!("the class {name} stays, as there are environments of it: of {}", names.join(", "));
    Problem::new(Code::ClassInUse, said)
}

/// Takes `class` away, unless an environment uses it, or somebody changes the class meanwhile.
pub(super) async fn take_away(state: &ApiState, name: &ClassName, class: EnvironmentClass) -> Result<(), Problem> {
    let begun = Timestamp::now();
    let mut marked = class;
    marked.annotations_mut().insert(GOING.to_owned(), format!("{begun:.0}"));
    let marked = replace(state, name, &marked).await?;
    match decided(state, name, &marked, begun).await {
        Ok(()) => Ok(()),
        Err(problem) => {
            let mut kept = marked;
            kept.annotations_mut().remove(GOING);
            // What is left of it counts for a minute only.
            if let Err(problem) = replace(state, name, &kept).await {
                tracing::warn!(class = name.as_str(), problem = problem.detail, "a class stays marked for a minute");
            }
            Err(problem)
        }
    }
}

async fn decided(
    state: &ApiState,
    name: &ClassName,
    marked: &EnvironmentClass,
    begun: Timestamp,
) -> Result<(), Problem> {
    let users = users(state, name).await?;
    if !users.is_empty() {
        return Err(in_use(name, &users));
    }
    if between(begun, Timestamp::now()) > ACTS {
        let said = format!("the cluster took too long to say who uses the class {name}; try again");
        return Err(Problem::new(Code::ClusterUnavailable, said));
    }
    let only_this = Preconditions { uid: marked.uid(), resource_version: marked.resource_version() };
    let how = DeleteParams { preconditions: Some(only_this), ..DeleteParams::background() };
    match api(state).delete(name.as_str(), &how).await {
        Ok(_) => Ok(()),
        Err(error) if cluster::is_not_found(&error) => Err(unknown(state, name)),
        Err(error) => Err(cluster::problem(&error)),
    }
}

async fn replace(state: &ApiState, name: &ClassName, class: &EnvironmentClass) -> Result<EnvironmentClass, Problem> {
    let by = PostParams { field_manager: Some(API_FIELD_MANAGER.to_owned()), ..PostParams::default() };
    api(state).replace(name.as_str(), &by, class).await.map_err(|error| cluster::problem(&error))
}

/// Whose environments of the class the cluster has, as it is now and not as it was seen.
async fn users(state: &ApiState, name: &ClassName) -> Result<Vec<String>, Problem> {
    let (mut users, mut asked) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let page = environments::api(state).list(&asked).await.map_err(|error| cluster::problem(&error))?;
        let of_class = page.items.iter().filter(|environment| environment.spec.class == name.as_str());
        users.extend(of_class.map(|environment| environment.spec.user.clone()));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => asked.continue_token = Some(token),
            None => return Ok(users),
        }
    }
}

/// Takes `made`, which is new, back where its class is going or gone.
pub(in crate::api) async fn check_made(
    state: &ApiState,
    key: &EnvironmentKey,
    made: &Environment,
) -> Result<(), Problem> {
    let class = match api(state).get_opt(key.class.as_str()).await {
        Ok(class) => class,
        Err(error) => {
            // It was made, and its status will say so should its class be gone.
            tracing::warn!(environment = %key, %error, "whether its class is still there could not be asked");
            return Ok(());
        }
    };
    let problem = match class {
        Some(class) if !is_going(&class, Timestamp::now()) => return Ok(()),
        Some(_) => going(&key.class),
        None => unknown(state, &key.class),
    };
    let only_this = Preconditions { uid: made.uid(), resource_version: None };
    let how = DeleteParams { preconditions: Some(only_this), ..DeleteParams::background() };
    match environments::api(state).delete(&key.object_name(), &how).await {
        Ok(_) => state.seen.forget(key, made.uid().as_deref()),
        Err(error) if cluster::is_not_found(&error) => {}
        Err(error) => {
            let name = shown(&key.object_name());
            tracing::error!(environment = name, %error, "an environment whose class is gone could not be taken back");
        }
    }
    Err(problem)
}
