//! How much environments may take: the wire form [`ClassQuota`], and its checked form [`Quota`].

use super::Class;
use crate::model::{milli, shown, shown_bytes, shown_cpu};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much environments may take. One that would take more is not made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClassQuota {
    /// How many environments, of all classes together, a user may have who makes one of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub environments_per_user: Option<i32>,
    /// How much CPU the environments of a user, of all classes together, may request who makes one of this class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub cpu_per_user: Option<Quantity>,
    /// The same of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub memory_per_user: Option<Quantity>,
    /// How many environments of this class there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub environments: Option<i32>,
    /// How much CPU the environments of this class may request together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub cpu: Option<Quantity>,
    /// The same of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "quantity")]
    pub memory: Option<Quantity>,
}

fn quantity(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::Schema::try_from(super::class::quantity_schema()).unwrap_or_default()
}

/// What environments may take, checked. CPU is in thousandths of a core, memory in thousandths of a byte.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// What the environments of a user may take, of all classes together.
    pub of_user: Allowance,
    /// What the environments of this class may take.
    pub of_class: Allowance,
}

/// The most that may be taken; `None` where there is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Environments.
    pub environments: Option<i128>,
    /// CPU, in thousandths of a core.
    pub cpu: Option<i128>,
    /// Memory, in thousandths of a byte.
    pub memory: Option<i128>,
}

impl Quota {
    /// Checks `wire`; what is wrong is added to `errors` with its path below `path`.
    pub fn check(wire: Option<&ClassQuota>, path: &str, errors: &mut Vec<(String, String)>) -> Self {
        let Some(wire) = wire else { return Self::default() };
        let mut wrong = |name: &str, said: String| errors.push((format!("{path}.{name}"), said));
        let mut count = |name: &str, count: Option<i32>| {
            let count = count?;
            if count < 0 {
                wrong(name, format!("{count} is out of range; 0 and more are in it"));
            }
            Some(i128::from(count))
        };
        let environments =
            (count("environmentsPerUser", wire.environments_per_user), count("environments", wire.environments));
        let mut amount = |name: &str, quantity: Option<&Quantity>| {
            let text = &quantity?.0;
            let read = milli(text);
            if read.is_none() {
                wrong(name, format!("{} is not a quantity, like 500m, 2 or 4Gi", shown(text)));
            }
            read
        };
        let of_user = Allowance {
            environments: environments.0,
            cpu: amount("cpuPerUser", wire.cpu_per_user.as_ref()),
            memory: amount("memoryPerUser", wire.memory_per_user.as_ref()),
        };
        let of_class = Allowance {
            environments: environments.1,
            cpu: amount("cpu", wire.cpu.as_ref()),
            memory: amount("memory", wire.memory.as_ref()),
        };
        Self { of_user, of_class }
    }
}

/// What environments take: how many there are, and what they request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many.
    pub environments: i128,
    /// CPU, in thousandths of a core.
    pub cpu: i128,
    /// Memory, in thousandths of a byte.
    pub memory: i128,
}

impl std::ops::AddAssign for Taken {
    fn add_assign(&mut self, more: Self) {
        self.environments = self.environments.saturating_add(more.environments);
        self.cpu = self.cpu.saturating_add(more.cpu);
        self.memory = self.memory.saturating_add(more.memory);
    }
}

impl std::ops::Add for Taken {
    type Output = Self;

    fn add(mut self, more: Self) -> Self {
        self += more;
        self
    }
}

impl Taken {
    /// What one environment of `class` takes while it is awake. One that sleeps counts as much: it may wake at any time.
    pub fn by_one(class: &Class) -> Self {
        let containers = class.spec.template.0.get("spec").and_then(|spec| spec.get("containers"));
        let containers = containers.and_then(serde_json::Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let of_class =
            |name: &str| class.spec.resources.as_ref()?.requests.get(name).map(|quantity| quantity.0.as_str());
        let sum = |name: &str| {
            let requests =
                containers.iter().enumerate().filter_map(|(index, container)| match container.get("resources") {
                    Some(own) => own.get("requests")?.get(name)?.as_str(),
                    None if index == 0 => of_class(name),
                    None => None,
                });
            requests.filter_map(milli).fold(0, i128::saturating_add)
        };
        let replicas = i128::from(class.spec.replicas);
        Self {
            environments: 1,
            cpu: sum("cpu").saturating_mul(replicas),
            memory: sum("memory").saturating_mul(replicas),
        }
    }
}

impl Allowance {
    /// What of `taken` is too much, in a sentence about `whose` environments.
    fn exceeded_by(&self, taken: Taken, whose: &str) -> Option<String> {
        let over = |most: Option<i128>, taken: i128| most.filter(|most| taken > *most);
        if let Some(most) = over(self.environments, taken.environments) {
            return Some(format!("{whose} would be {}, and {most} are the most", taken.environments));
        }
        if let Some(most) = over(self.cpu, taken.cpu) {
            let (taken, most) = (shown_cpu(taken.cpu), shown_cpu(most));
            return Some(format!("{whose} would request {taken} of CPU, and {most} is the most"));
        }
        let most = over(self.memory, taken.memory)?;
        let (taken, most) = (shown_bytes(taken.memory), shown_bytes(most));
        Some(format!("{whose} would request {taken} of memory, and {most} is the most"))
    }
}

impl Quota {
    /// Why no environment may take what makes these sums: of its owner's environments, and of those of its class. `None` if
    /// it may.
    pub fn refusal(&self, class: &str, user: &str, of_user: Taken, of_class: Taken) -> Option<String> {
        let by_user = self.of_user.exceeded_by(of_user, &format!("the environments of {user}"));
        let by_class = || self.of_class.exceeded_by(of_class, &format!("the environments of class {class}"));
        let said = by_user.or_else(by_class)?;
        Some(format!("{said} by the quota of class {class}; delete one that is not needed, or ask an administrator"))
    }

    /// Whether it bounds anything.
    pub fn is_bound(&self) -> bool {
        *self != Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_are_read_and_each_mistake_has_its_place() {
        let wire = |value| serde_json::from_value::<ClassQuota>(value).unwrap();
        let mut errors = Vec::new();
        let quota = wire(json!({"environmentsPerUser": 3, "cpuPerUser": "500m", "memory": "1Gi"}));
        let quota = Quota::check(Some(&quota), "spec.quota", &mut errors);
        assert_eq!((quota.of_user.environments, quota.of_user.cpu), (Some(3), Some(500)));
        assert_eq!((quota.of_class.memory, quota.of_class.environments), (Some(1_073_741_824_000), None));
        assert!(errors.is_empty());
        Quota::check(Some(&wire(json!({"environments": -1, "cpu": "much"}))), "spec.quota", &mut errors);
        let paths: Vec<&str> = errors.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["spec.quota.environments", "spec.quota.cpu"]);
    }

    #[test]
    fn what_is_too_much_is_told_with_both_numbers() {
        let of_user = Allowance { environments: Some(2), cpu: Some(500), memory: Some(1_073_741_824_000) };
        let quota = Quota { of_user, ..Quota::default() };
        let refusal = |environments, cpu, memory: &str| {
            let of_user = Taken { environments, cpu, memory: milli(memory).unwrap() };
            quota.refusal("integration", "haimaz", of_user, Taken::default())
        };
        assert_eq!(refusal(2, 500, "1Gi"), None);
        let said = refusal(3, 0, "0").unwrap();
        assert!(
            said.starts_with("the environments of haimaz would be 3, and 2 are the most by the quota of class"),
            "{said}"
        );
        assert!(refusal(1, 750, "0").unwrap().contains("request 750m of CPU, and 500m is the most"));
        assert!(refusal(1, 0, "1025Mi").unwrap().contains("request 1025Mi of memory, and 1Gi is the most"));
    }
}
