//! Changes of an Environment: read, checked against the caller's conditions, changed, and written only if nobody else has
//! written in between.

use super::environments::{api, no_such};
use super::etag::{Conditions, Tag};
use super::problem::{Code, Problem};
use super::{ApiState, audit, cluster, idempotency};
use crate::model::EnvironmentKey;
use crate::resources::labels::{API_FIELD_MANAGER, LAST_CALL};
use crate::resources::{Environment, EnvironmentSpec};
use kube::ResourceExt as _;
use kube::api::PostParams;

/// How often a write is tried again when somebody else writes the same object.
const ATTEMPTS: usize = 5;

/// What became of a change.
#[derive(Debug)]
pub(super) struct Changed {
    /// The object as it is now.
    pub(super) object: Environment,
    /// As it was before; none where it was made.
    pub(super) before: Option<Environment>,
    /// Whether anything was written.
    pub(super) written: bool,
}

/// Changes what is there. `edit` may refuse; where it leaves the wish as it was, nothing is written.
pub(super) async fn change(
    state: &ApiState,
    key: &EnvironmentKey,
    conditions: &Conditions,
    edit: impl Fn(&mut EnvironmentSpec) -> Result<(), Problem>,
) -> Result<Changed, Problem> {
    Box::pin(make_or_change(state, key, conditions, |_| Err(no_such(state, key)), edit)).await
}

/// The same, where one that is not there is made.
pub(super) async fn make_or_change(
    state: &ApiState,
    key: &EnvironmentKey,
    conditions: &Conditions,
    make: impl Fn(&EnvironmentKey) -> Result<Environment, Problem>,
    edit: impl Fn(&mut EnvironmentSpec) -> Result<(), Problem>,
) -> Result<Changed, Problem> {
    let (api, name) = (api(state), key.object_name());
    let by = PostParams { field_manager: Some(API_FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let mark = idempotency::mark();
    // What was seen as the call began is enough for the first attempt: it is written only if it is still so.
    let mut at_first = audit::at_first(key);
    for _ in 0..ATTEMPTS {
        let before = match at_first.take() {
            Some(before) => before,
            None => api.get_opt(&name).await.map_err(|error| cluster::problem(&error))?,
        };
        if let Some(object) = before.as_ref().filter(|object| carries(object, mark.as_ref())) {
            audit::became(key, Some(object));
            return Ok(Changed { object: object.clone(), before: before.clone(), written: true });
        }
        conditions.check(before.as_ref().map(Tag::of).as_ref())?;
        let written = match &before {
            None => {
                let mut made = make(key)?;
                put_mark(&mut made, mark.as_ref());
                api.create(&by, &made).await
            }
            Some(object) if object.metadata.deletion_timestamp.is_some() => return Err(deleting(key)),
            Some(object) => {
                let mut changed = object.clone();
                edit(&mut changed.spec)?;
                if changed.spec == object.spec {
                    audit::became(key, Some(object));
                    return Ok(Changed { object: changed, before, written: false });
                }
                put_mark(&mut changed, mark.as_ref());
                api.replace(&name, &by, &changed).await
            }
        };
        match written {
            // Made, changed or deleted in between: look again.
            Err(error) if cluster::is_conflict(&error) || cluster::is_not_found(&error) => {}
            Err(error) => return Err(cluster::problem(&error)),
            Ok(object) => {
                state.seen.wrote(&object);
                audit::became(key, Some(&object));
                return Ok(Changed { object, before, written: true });
            }
        }
    }
    let said = format!("the environment {key} was changed by others {ATTEMPTS} times in between; try again");
    Err(Problem::new(Code::Conflict, said))
}

/// Whether this very call has changed it before: by a process that died before its answer was kept.
fn carries(object: &Environment, mark: Option<&String>) -> bool {
    mark.is_some_and(|mark| object.annotations().get(LAST_CALL) == Some(mark))
}

fn put_mark(object: &mut Environment, mark: Option<&String>) {
    if let Some(mark) = mark {
        object.annotations_mut().insert(LAST_CALL.to_owned(), mark.clone());
    }
}

fn deleting(key: &EnvironmentKey) -> Problem {
    let said = format!("the environment {key} is being deleted; deploy it again when it is gone");
    Problem::new(Code::EnvironmentDeleting, said)
}
