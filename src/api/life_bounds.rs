//! What a class lets its environments be: how long they are kept, and whether they are pinned. The operator holds to it in any
//! case; here it is told to whoever asks for more.

use super::ApiState;
use super::problem::{Code, FieldError, Problem};
use super::wish::{Extension, Verb};
use crate::model::later;
use crate::resources::{Class, Environment};
use jiff::Timestamp;

/// Refuses a verb that asks for more than the class of `object` lets, and more time for what nothing ends: that would give it an end. A class that cannot be used lets nothing be checked.
pub(super) fn check(
    state: &ApiState,
    object: &Environment,
    verb: &Verb,
    expires: Option<Timestamp>,
) -> Result<(), Problem> {
    let wire = state.seen.classes().into_iter().find(|class| class.metadata.name.as_ref() == Some(&object.spec.class));
    let Some(class) = wire.and_then(|wire| Class::try_from(&*wire).ok()) else { return Ok(()) };
    if matches!(verb, Verb::Extend(Extension::By(_))) && expires.is_none() && !class.life.ends() {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let said = format!(
            "nothing ends the environment {name}: the class {} lets it live until somebody deletes it; \
             to give it an end, name that time with until",
            class.name
        );
        return Err(Problem::new(Code::NothingToExtend, said));
    }
    let now = Timestamp::now();
    let created = object.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0);
    let error = match verb {
        Verb::Pin(true) => pin(&class, ""),
        Verb::Extend(Extension::Until(until)) => extension(&class, created, until.0, "/until"),
        Verb::Extend(Extension::By(more)) => {
            extension(&class, created, later(expires.unwrap_or(now).max(now), *more), "/by")
        }
        Verb::Restart | Verb::Sleep | Verb::Wake | Verb::Pin(false) => None,
    };
    error.map_or(Ok(()), |error| Err(Problem::invalid(vec![error])))
}

/// That environments of the class cannot be pinned, if so.
pub(super) fn pin(class: &Class, pointer: &str) -> Option<FieldError> {
    let said = format!("the class {} lets no environment be pinned; extend it instead", class.name);
    (!class.life.pinnable).then(|| FieldError::new(pointer, said))
}

/// That an environment of the class is not kept so long, if so.
pub(super) fn extension(class: &Class, created: Timestamp, until: Timestamp, pointer: &str) -> Option<FieldError> {
    let latest = class.life.latest(created).filter(|latest| until > *latest)?;
    let said = format!("the class {} lets it be kept until {latest} and not until {until}", class.name);
    Some(FieldError::new(pointer, said))
}
