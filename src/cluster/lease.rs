//! The Lease as it stands in the cluster: read, taken, renewed, given back; each write names the version that it is about.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Where the Lease is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseName {
    /// Its namespace; the client's own where none is given.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl FromStr for LeaseName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        let is_name = |part: &str| {
            let ends = part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.ends_with(|c: char| c.is_ascii_alphanumeric());
            ends && part.len() <= 63 && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        if namespace.into_iter().chain([name]).all(is_name) {
            Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned() })
        } else {
            Err("a Lease is named NAME or NAMESPACE/NAME, each of lower-case letters, digits and hyphens".to_owned())
        }
    }
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// One Lease, seen as `identity`.
pub(super) struct LeaseApi {
    api: Api<Lease>,
    name: String,
    identity: String,
    duration: Duration,
}

/// What a write of the Lease came to.
pub(super) enum Written {
    /// It is ours.
    Ours(Box<Lease>),
    /// Somebody else wrote in between, or it is gone.
    Overtaken,
}

impl LeaseApi {
    pub(super) fn new(client: Client, namespace: &str, name: &str, identity: &str, duration: Duration) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), identity: identity.to_owned(), duration }
    }

    /// The Lease, if there is one.
    pub(super) async fn read(&self) -> kube::Result<Option<Lease>> {
        self.api.get_opt(&self.name).await
    }

    /// Makes it, where there was none.
    pub(super) async fn create(&self) -> kube::Result<Written> {
        let mut lease = Lease::default();
        lease.metadata.name = Some(self.name.clone());
        lease.spec = Some(self.ours(0, None));
        written(self.api.create(&PostParams::default(), &lease).await)
    }

    /// Takes `found`, which nobody holds any more.
    pub(super) async fn take(&self, found: &Lease) -> kube::Result<Written> {
        let transitions = found.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or_default();
        let spec = self.ours(transitions.saturating_add(1), None);
        self.replace(found, spec).await
    }

    /// Says that `held` is held on.
    pub(super) async fn renew(&self, held: &Lease) -> kube::Result<Written> {
        let spec = held.spec.as_ref();
        let transitions = spec.and_then(|spec| spec.lease_transitions).unwrap_or_default();
        let spec = self.ours(transitions, spec.and_then(|spec| spec.acquire_time.clone()));
        self.replace(held, spec).await
    }

    /// Gives `held` back, so that the next one need not wait.
    pub(super) async fn release(&self, held: &Lease) -> kube::Result<Written> {
        let mut spec = held.spec.clone().unwrap_or_default();
        spec.holder_identity = None;
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(jiff::Timestamp::now()));
        self.replace(held, spec).await
    }

    /// Whether `lease` names us.
    pub(super) fn is_ours(&self, lease: &Lease) -> bool {
        holder(lease).is_some_and(|holder| holder == self.identity)
    }

    /// The version of `lease` goes with it: if anybody wrote since, the API server refuses.
    async fn replace(&self, lease: &Lease, spec: LeaseSpec) -> kube::Result<Written> {
        let mut next = lease.clone();
        next.metadata.managed_fields = None;
        next.spec = Some(spec);
        written(self.api.replace(&self.name, &PostParams::default(), &next).await)
    }

    fn ours(&self, transitions: i32, acquired: Option<MicroTime>) -> LeaseSpec {
        let now = MicroTime(jiff::Timestamp::now());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            // The others wait this long after they have seen a change of it. Rounded up: never less than we count on.
            lease_duration_seconds: Some(i32::try_from(self.duration.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)),
            acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }
}

fn written(result: kube::Result<Lease>) -> kube::Result<Written> {
    match result {
        Ok(lease) => Ok(Written::Ours(Box::new(lease))),
        Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => Ok(Written::Overtaken),
        Err(error) => Err(error),
    }
}

/// Who holds `lease`, if anybody does.
pub(super) fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// How long its holder may be silent; `otherwise` where the Lease does not say it.
pub(super) fn duration(lease: &Lease, otherwise: Duration) -> Duration {
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
    let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
    seconds.map_or(otherwise, Duration::from_secs)
}

/// What changes with each write.
pub(super) fn version(lease: &Lease) -> String {
    lease.resource_version().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::LeaseName;

    #[test]
    fn a_lease_is_named_with_or_without_its_namespace() {
        let name = |text: &str| text.parse::<LeaseName>().map(|name| name.to_string());
        assert_eq!(name("doorstep-manager").unwrap(), "doorstep-manager");
        assert_eq!(name("system/doorstep-manager").unwrap(), "system/doorstep-manager");
        for bad in ["", "/", "a/", "/a", "a/b/c", "A", "-a", "a..b"] {
            assert!(name(bad).unwrap_err().contains("NAMESPACE/NAME"), "{bad}");
        }
    }
}
