//! May one more environment be made? What its owner's environments and those of its class take already, and what it would.

use super::classes::ClassBook;
use super::plan::{Plan, Refusal};
use super::reconcile::Reconciler;
use super::world::EnvironmentId;
use crate::model::reasons;
use crate::resources::{Environment, Taken};
use jiff::Timestamp;

impl Reconciler {
    /// Whether the environment may take what it would. One that was brought up before may: a quota takes nothing away.
    pub fn admit(
        &self,
        id: &EnvironmentId,
        environment: &Environment,
        plan: &Plan,
        classes: &ClassBook,
    ) -> Result<(), Refusal> {
        let quota = &plan.class.quota;
        if !quota.is_bound() || !self.own_revisions(id, environment).is_empty() {
            return Ok(());
        }
        let own = Taken::by_one(&plan.class);
        let (mut of_user, mut of_class) = (own, own);
        let (user, name) = (&environment.spec.user, &environment.spec.class);
        let mut others = Vec::new();
        self.world.environments.each(|other, found| {
            if other != id && (found.spec.user == *user || found.spec.class == *name) {
                others.push((other.clone(), found.clone()));
            }
        });
        for (other, found) in &others {
            let (same_user, same_class) = (found.spec.user == *user, found.spec.class == *name);
            if !self.goes_before(other, found, id, environment) {
                continue;
            }
            let Ok(class) = classes.class(&found.spec.class) else { continue };
            let taken = Taken::by_one(&class);
            if same_user {
                of_user += taken;
            }
            if same_class {
                of_class += taken;
            }
        }
        let refusal = quota.refusal(plan.key.class.as_str(), plan.key.user.as_str(), of_user, of_class);
        refusal.map_or(Ok(()), |message| Err(Refusal { reason: reasons::QUOTA_EXCEEDED, message }))
    }

    /// Whether `other` takes its part before `id` does: it was brought up, or it is older.
    fn goes_before(&self, other: &EnvironmentId, found: &Environment, id: &EnvironmentId, own: &Environment) -> bool {
        if found.metadata.deletion_timestamp.is_some() {
            return false;
        }
        let admitted = !self.own_revisions(other, found).is_empty();
        admitted || (age(found), other) < (age(own), id)
    }

    /// Looks again at those that were refused: there may be room now.
    pub fn wake_refused(&self) {
        for id in self.world.environments.ids() {
            let Some(environment) = self.world.environments.one(&id, &id.name) else { continue };
            let conditions = environment.status.iter().flat_map(|status| &status.conditions);
            if conditions.into_iter().any(|condition| condition.reason == reasons::QUOTA_EXCEEDED) {
                self.queue.push(id);
            }
        }
    }
}

fn age(environment: &Environment) -> Option<Timestamp> {
    environment.metadata.creation_timestamp.as_ref().map(|time| time.0)
}
