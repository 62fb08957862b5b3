//! What a filter may name. A slip in it would find nothing, and look like an answer; so what is known to nobody is told, with
//! the nearest that is.

use super::problem::{FieldError, Problem};
use super::rules::RULES;
use super::{ApiState, store};
use crate::model::{ClassName, did_you_mean, nearest, reasons, shown};
use crate::store::{Filter, UsageFilter};

/// Refuses a class that is not there and of which no environment is left. `at` is where it was named.
pub(super) async fn class(state: &ApiState, class: &ClassName, at: &str) -> Result<(), Problem> {
    state.seen.complete().await?;
    unknown_class(state, class).map_or(Ok(()), |hint| Err(no_class(class, "nor an environment of it", &hint, at)))
}

/// Refuses a class that is not there and of which the audit tells nothing.
pub(super) async fn audited_class(state: &ApiState, class: &ClassName) -> Result<(), Problem> {
    let of_it = Filter { class: Some(class.to_string()), ..Filter::default() };
    if unknown_class(state, class).is_none() || is_audited(state, &of_it).await? {
        return Ok(());
    }
    gone_class(state, class, "nor does the audit tell of one").await
}

/// Refuses an action that no call has, and no record.
pub(super) async fn audited_action(state: &ApiState, action: &str) -> Result<(), Problem> {
    let actions: Vec<String> = RULES
        .iter()
        .filter(|(method, ..)| *method != "GET")
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    let of_it = Filter { action: Some(action.to_owned()), ..Filter::default() };
    if actions.iter().any(|known| known == action) || is_audited(state, &of_it).await? {
        return Ok(());
    }
    let near = nearest(action, actions.iter().map(String::as_str));
    let hint = near.map_or_else(
        || "; an action is a method and a path of the API, like PUT /environments/{user}/{class}".to_owned(),
        |near| format!("; did you mean \"{near}\"?"),
    );
    let said = format!("no call that changes something is {}{hint}", shown(action));
    Err(Problem::invalid(vec![FieldError::new("?action", said)]))
}

/// Refuses a class that is not there and that never was used.
pub(super) async fn used_class(state: &ApiState, class: &ClassName) -> Result<(), Problem> {
    if unknown_class(state, class).is_none() {
        return Ok(());
    }
    // By class, so that there is no row where there is none of it.
    let of_it = UsageFilter { class: Some(class.to_string()), by_class: true, ..UsageFilter::default() };
    let used = state.store.usage().sums(&of_it).await.map_err(|error| store::problem(&error))?;
    if used.is_empty() { gone_class(state, class, "nor was an environment of it ever used").await } else { Ok(()) }
}

/// Refuses a reason that no environment has and that is near to one that some may have.
pub(super) fn reason(state: &ApiState, reason: &str, at: &str) -> Result<(), Problem> {
    let Some(meant) = meant(reason) else { return Ok(()) };
    if !state.seen.all(|item| item.standing().reason == reason).is_empty() {
        return Ok(());
    }
    let said = format!("no environment has the reason {}; did you mean \"{meant}\"?", shown(reason));
    Err(Problem::invalid(vec![FieldError::new(at, said)]))
}

/// The reason that is meant by one that is near to it; none where it may be one itself. What is near to none is taken as it is.
fn meant(given: &str) -> Option<&'static str> {
    let known = || reasons::OURS.iter().chain(reasons::KUBELETS).copied();
    if known().any(|reason| reason == given) {
        return None;
    }
    nearest(given, known())
}

/// What is to be said of a class that is not there and of which no environment is left.
fn unknown_class(state: &ApiState, class: &ClassName) -> Option<String> {
    let classes = state.seen.classes();
    let names = || classes.iter().filter_map(|class| class.metadata.name.as_deref());
    if names().any(|name| name == class.as_str()) || !state.seen.all(|item| item.key.class == *class).is_empty() {
        return None;
    }
    Some(did_you_mean(class.as_str(), names()))
}

/// The same, once it is known which classes there are: what was is told while the cluster is away, too.
async fn gone_class(state: &ApiState, class: &ClassName, nor: &str) -> Result<(), Problem> {
    state.seen.complete().await?;
    unknown_class(state, class).map_or(Ok(()), |hint| Err(no_class(class, nor, &hint, "?class")))
}

fn no_class(class: &ClassName, nor: &str, hint: &str, at: &str) -> Problem {
    let said = format!("there is no class {}, {nor}{hint}", shown(class.as_str()));
    Problem::invalid(vec![FieldError::new(at, said)])
}

async fn is_audited(state: &ApiState, filter: &Filter) -> Result<bool, Problem> {
    let found = state.store.audit().list(filter, 1).await.map_err(|error| store::problem(&error))?;
    Ok(!found.is_empty())
}

#[cfg(test)]
mod tests {
    use super::meant;

    #[test]
    fn a_reason_of_kubernetes_that_is_not_known_here_is_no_slip() {
        assert_eq!(meant("Statring"), Some("Starting"));
        assert_eq!(meant("starting"), Some("Starting"));
        assert_eq!(meant("Starting"), None);
        assert_eq!(meant("NodeAffinity"), None);
    }
}
