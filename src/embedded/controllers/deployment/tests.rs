//! Whole rollouts against sets that do at once what they are told.

use super::*;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSetStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// A Deployment and its sets, without a cluster.
struct World {
    deployment: Deployment,
    sets: Vec<Arc<ReplicaSet>>,
    second: i64,
}

impl World {
    fn new(strategy: &serde_json::Value, replicas: i32) -> Self {
        let deployment = serde_json::from_value(json!({
            "metadata": { "name": "web", "namespace": "d", "uid": "deployment", "generation": 1 },
            "spec": {
                "replicas": replicas, "strategy": strategy, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 1,
                "selector": { "matchLabels": { "app": "web" } },
                "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "c", "image": "1" }] } },
            },
        }));
        Self { deployment: deployment.unwrap(), sets: Vec::new(), second: 0 }
    }

    fn image(&mut self, image: &str) {
        let spec = self.deployment.spec.as_mut().unwrap();
        spec.template.spec.as_mut().unwrap().containers[0].image = Some(image.to_owned());
        *self.deployment.metadata.generation.as_mut().unwrap() += 1;
    }

    /// One look. Gives the number of writes to sets.
    fn look(&mut self, old_pods_run: bool) -> usize {
        self.second += 1;
        let (new, old) = sets::divide(&self.deployment, self.sets.clone());
        let wish = plan::wish(&self.deployment);
        let sets = Sets { deployment: &self.deployment, wish, new: new.as_ref(), old: &old, old_pods_run };
        let (steps, revision) = (plan::plan(&sets), plan::next_revision(&sets));
        let count = steps.len();
        let mut happened = Happened::Nothing;
        for step in steps {
            match step {
                Step::Create(mut set) => {
                    happened = Happened::Created(set.name_any());
                    set.metadata.uid = set.metadata.name.clone();
                    set.metadata.creation_timestamp = Some(Time(Timestamp::from_second(self.second).unwrap()));
                    self.sets.push(Arc::new(*set));
                }
                Step::Change { set, replicas, annotations } => {
                    let place = self.sets.iter_mut().find(|other| other.name_any() == set.name_any()).unwrap();
                    let place = Arc::make_mut(place);
                    place.spec.as_mut().unwrap().replicas = Some(replicas);
                    place.metadata.annotations.get_or_insert_default().extend(annotations);
                }
                Step::Delete(set) => self.sets.retain(|other| other.name_any() != set.name_any()),
            }
        }
        let now = Timestamp::from_second(self.second).unwrap();
        let seen = Seen { deployment: &self.deployment, wish, new: new.as_ref(), old: &old, happened, now };
        let (status, _) = status::status(&seen);
        self.deployment.status = Some(status);
        let annotations = self.deployment.metadata.annotations.get_or_insert_default();
        annotations.insert(sets::REVISION.to_owned(), revision.to_string());
        count
    }

    /// All pods of all sets are there and available.
    fn settle(&mut self) {
        for set in &mut self.sets {
            let replicas = sets::wanted(set);
            Arc::make_mut(set).status = Some(ReplicaSetStatus {
                replicas,
                ready_replicas: Some(replicas),
                available_replicas: Some(replicas),
                ..ReplicaSetStatus::default()
            });
        }
    }

    fn roll_out(&mut self) {
        for _ in 0..50 {
            self.settle();
            if self.look(false) == 0 && self.reason("Progressing") == "NewReplicaSetAvailable" {
                // The history is cleaned up once the status says that the rollout is done.
                self.look(false);
                return;
            }
        }
        panic!("the rollout does not end: {:?}", self.deployment.status);
    }

    fn reason(&self, kind: &str) -> String {
        let status = self.deployment.status.as_ref().unwrap();
        let condition = status.conditions.iter().flatten().find(|condition| condition.type_ == kind);
        condition.and_then(|condition| condition.reason.clone()).unwrap_or_default()
    }

    fn sizes(&self) -> Vec<i32> {
        self.sets.iter().map(|set| sets::wanted(set)).collect()
    }
}

#[test]
fn a_rollout_tells_how_far_it_is() {
    let mut world = World::new(&json!({}), 2);
    assert_eq!(world.look(false), 1);
    assert_eq!(world.reason("Progressing"), "NewReplicaSetCreated");
    assert_eq!(world.reason("Available"), "MinimumReplicasUnavailable");
    assert_eq!(world.sets[0].metadata.labels.as_ref().unwrap()[sets::TEMPLATE_HASH].len(), 10);
    world.settle();
    world.look(false);
    assert_eq!(world.reason("Progressing"), "NewReplicaSetAvailable");
    assert_eq!(world.reason("Available"), "MinimumReplicasAvailable");
    let before = world.deployment.status.clone();
    assert_eq!(world.look(false), 0);
    assert_eq!(world.deployment.status, before, "the same state twice is the same status");
}

#[test]
fn an_old_template_again_is_its_old_set_again_under_a_new_revision() {
    let mut world = World::new(&json!({}), 3);
    world.roll_out();
    world.image("2");
    world.roll_out();
    assert_eq!(world.sizes(), [0, 3]);
    world.image("1");
    world.roll_out();
    assert_eq!(world.sizes(), [3, 0]);
    assert_eq!(world.deployment.annotations()[sets::REVISION], "3");
    assert_eq!(sets::revision(&*world.sets[0]), 3);
    world.image("4");
    world.roll_out();
    assert_eq!(world.sizes(), [0, 3], "the history keeps one old set");
}

#[test]
fn recreate_waits_for_the_last_old_pod() {
    let mut world = World::new(&json!({ "type": "Recreate" }), 2);
    world.roll_out();
    world.image("2");
    assert_eq!(world.look(true), 1);
    assert_eq!(world.sizes(), [0]);
    world.settle();
    assert_eq!(world.look(true), 0);
    assert_eq!(world.look(false), 1);
    assert_eq!(world.sizes(), [0, 2]);
}

#[test]
fn a_paused_deployment_scales_and_does_not_roll() {
    let mut world = World::new(&json!({}), 2);
    world.roll_out();
    world.deployment.spec.as_mut().unwrap().paused = Some(true);
    world.image("2");
    assert_eq!(world.look(false), 0);
    assert_eq!(world.reason("Progressing"), "DeploymentPaused");
    world.deployment.spec.as_mut().unwrap().replicas = Some(5);
    world.look(false);
    assert_eq!(world.sizes(), [5]);
    world.deployment.spec.as_mut().unwrap().paused = None;
    world.roll_out();
    assert_eq!(world.sizes(), [0, 5]);
}

#[test]
fn a_rollout_without_progress_exceeds_its_deadline() {
    let mut world = World::new(&json!({}), 1);
    world.look(false);
    world.second += 599;
    world.look(false);
    assert_eq!(world.reason("Progressing"), "ProgressDeadlineExceeded");
    world.roll_out();
}

#[test]
fn the_age_of_the_rollout_before_does_not_count_against_the_deadline() {
    let mut world = World::new(&json!({}), 1);
    world.roll_out();
    let done = world.deployment.status.clone();
    world.second += 3600;
    world.image("2");
    world.look(false);
    // The status of the look that made the set was not written: somebody changed the Deployment at that moment.
    world.deployment.status = done;
    world.sets.iter_mut().for_each(|set| {
        let replicas = 1;
        Arc::make_mut(set).status = Some(ReplicaSetStatus { replicas, ..ReplicaSetStatus::default() });
    });
    world.look(false);
    world.look(false);
    assert_ne!(world.reason("Progressing"), "ProgressDeadlineExceeded");
    world.roll_out();
}
