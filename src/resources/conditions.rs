//! Conditions by the Kubernetes API conventions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The condition types that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConditionType {
    /// The current generation is rolled out whole, and a request to the host succeeds now.
    Ready,
    /// The operator is on its way to the current generation.
    Progressing,
    /// Nothing will get better by itself: somebody has to change something.
    Stalled,
    /// The records that lead to the host are written, and resolve.
    DnsReady,
    /// Of a class: all of its environments run by its newest generation.
    RolledOut,
}

impl ConditionType {
    /// The type as it stands in a status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Progressing => "Progressing",
            Self::Stalled => "Stalled",
            Self::DnsReady => "DNSReady",
            Self::RolledOut => "RolledOut",
        }
    }
}

/// Puts a condition into `conditions`. Its transition time changes only when its status does, so that writing the same
/// state twice gives the same status.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    kind: ConditionType,
    (status, reason, message): (bool, &str, &str),
    generation: i64,
) {
    let status = if status { "True" } else { "False" };
    let before = conditions.iter().find(|c| c.type_ == kind.as_str() && c.status == status);
    let since = before.map_or_else(|| Time(jiff::Timestamp::now()), |c| c.last_transition_time.clone());
    let condition = Condition {
        type_: kind.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: Some(generation),
        last_transition_time: since,
    };
    match conditions.iter_mut().find(|c| c.type_ == kind.as_str()) {
        Some(place) => *place = condition,
        None => conditions.push(condition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_time_stays_while_the_status_stays() {
        let mut conditions = Vec::new();
        set_condition(&mut conditions, ConditionType::Ready, (false, "Starting", "a"), 1);
        let first = conditions.clone();
        set_condition(&mut conditions, ConditionType::Ready, (false, "Starting", "a"), 1);
        assert_eq!(conditions, first);
        set_condition(&mut conditions, ConditionType::Ready, (true, "Serving", "b"), 2);
        assert_eq!(conditions.len(), 1);
        assert_eq!(conditions[0].observed_generation, Some(2));
    }
}
