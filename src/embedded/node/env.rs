//! A container's environment and command line, as Kubernetes expands them.

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Container, EnvVarSource, Pod, Secret},
};
use kube::{Api, Client, ResourceExt};

/// Why a container's environment cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnvError {
    #[error("{kind} {name:?} not found")]
    NoObject { kind: &'static str, name: String },
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    NoKey { kind: &'static str, namespace: String, name: String, key: String },
    #[error(
        "the variable {0:?} takes its value from a source that this node does not know: use value, fieldRef, configMapKeyRef or secretKeyRef"
    )]
    Source(String),
    #[error("the variable {variable:?} refers to the field {field:?}, which this node does not know")]
    Field { variable: String, field: String },
    #[error("{kind} {name:?} cannot be read: {reason}")]
    Api { kind: &'static str, name: String, reason: String },
}

/// What every container is given before its own variables.
pub(super) struct Base<'a> {
    pub path: &'a str,
    pub home: &'a Path,
    pub address: IpAddr,
    pub host_address: IpAddr,
}

/// All variables of a container in the order in which they were given; a later one replaces an earlier one of its name.
pub(super) async fn environment(
    client: &Client,
    pod: &Pod,
    container: &Container,
    base: &Base<'_>,
) -> Result<Variables, EnvError> {
    let mut variables = base_variables(container, base);
    let namespace = pod.namespace().unwrap_or_default();
    let objects = Objects { client, namespace: &namespace };
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        let (kind, name, optional) = match (&source.config_map_ref, &source.secret_ref) {
            (Some(map), _) => (Kind::ConfigMap, &map.name, map.optional),
            (None, Some(secret)) => (Kind::Secret, &secret.name, secret.optional),
            (None, None) => continue,
        };
        for (key, value) in objects.all(kind, name, optional.unwrap_or(false)).await? {
            variables.set(format!("{prefix}{key}"), value);
        }
    }
    for variable in container.env.iter().flatten() {
        let value = match &variable.value_from {
            None => Some(variables.expand(variable.value.as_deref().unwrap_or_default())),
            Some(source) => from_source(&objects, pod, base, &variable.name, source).await?,
        };
        if let Some(value) = value {
            variables.set(variable.name.clone(), value);
        }
    }
    Ok(variables)
}

fn base_variables(container: &Container, base: &Base<'_>) -> Variables {
    let mut variables = Variables::default();
    let mut set = |name: &str, value: String| variables.set(name.to_owned(), value);
    set("PATH", base.path.to_owned());
    set("HOME", base.home.display().to_string());
    set("TMPDIR", base.home.join("tmp").display().to_string());
    set("LANG", "C.UTF-8".to_owned());
    set("HOST", base.address.to_string());
    if let Some(port) = container.ports.iter().flatten().next() {
        set("PORT", port.container_port.to_string());
    }
    variables
}

async fn from_source(
    objects: &Objects<'_>,
    pod: &Pod,
    base: &Base<'_>,
    name: &str,
    source: &EnvVarSource,
) -> Result<Option<String>, EnvError> {
    if let Some(field) = &source.field_ref {
        let unknown = || EnvError::Field { variable: name.to_owned(), field: field.field_path.clone() };
        return field_value(pod, base, &field.field_path).map(Some).ok_or_else(unknown);
    }
    if let Some(key) = &source.config_map_key_ref {
        return objects.one(Kind::ConfigMap, &key.name, &key.key, key.optional.unwrap_or(false)).await;
    }
    if let Some(key) = &source.secret_key_ref {
        return objects.one(Kind::Secret, &key.name, &key.key, key.optional.unwrap_or(false)).await;
    }
    Err(EnvError::Source(name.to_owned()))
}

/// The field of a pod that `fieldRef` names; none for a field that may not be named there.
fn field_value(pod: &Pod, base: &Base<'_>, path: &str) -> Option<String> {
    let entry = |map: &BTreeMap<String, String>, prefix: &str| {
        let key = path.strip_prefix(prefix)?.strip_suffix("']")?;
        Some(map.get(key).cloned().unwrap_or_default())
    };
    let spec = pod.spec.as_ref()?;
    match path {
        "metadata.name" => Some(pod.name_any()),
        "metadata.namespace" => pod.namespace(),
        "metadata.uid" => pod.uid(),
        "spec.nodeName" => spec.node_name.clone(),
        "spec.serviceAccountName" => Some(spec.service_account_name.clone().unwrap_or_else(|| "default".to_owned())),
        "status.podIP" | "status.podIPs" => Some(base.address.to_string()),
        "status.hostIP" | "status.hostIPs" => Some(base.host_address.to_string()),
        _ => entry(pod.labels(), "metadata.labels['").or_else(|| entry(pod.annotations(), "metadata.annotations['")),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    ConfigMap,
    Secret,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Secret => "secret",
        }
    }
}

/// ConfigMaps and Secrets of the pod's namespace.
struct Objects<'a> {
    client: &'a Client,
    namespace: &'a str,
}

impl Objects<'_> {
    async fn all(&self, kind: Kind, name: &str, optional: bool) -> Result<BTreeMap<String, String>, EnvError> {
        let found = match kind {
            Kind::ConfigMap => {
                let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), self.namespace);
                api.get_opt(name).await.map(|object| object.map(|object| object.data.unwrap_or_default()))
            }
            Kind::Secret => {
                let api: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace);
                let text = |ByteString(bytes)| String::from_utf8_lossy(&bytes).into_owned();
                api.get_opt(name).await.map(|object| {
                    let data = object.map(|object| object.data.unwrap_or_default());
                    data.map(|data| data.into_iter().map(|(key, value)| (key, text(value))).collect())
                })
            }
        };
        let kind = kind.name();
        match found {
            Ok(Some(data)) => Ok(data),
            Ok(None) if optional => Ok(BTreeMap::new()),
            Ok(None) => Err(EnvError::NoObject { kind, name: name.to_owned() }),
            Err(error) => Err(EnvError::Api { kind, name: name.to_owned(), reason: error.to_string() }),
        }
    }

    async fn one(&self, kind: Kind, name: &str, key: &str, optional: bool) -> Result<Option<String>, EnvError> {
        match self.all(kind, name, optional).await?.remove(key) {
            Some(value) => Ok(Some(value)),
            None if optional => Ok(None),
            None => Err(EnvError::NoKey {
                kind: kind.name(),
                namespace: self.namespace.to_owned(),
                name: name.to_owned(),
                key: key.to_owned(),
            }),
        }
    }
}

/// Variables by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables(BTreeMap<String, String>);

impl Variables {
    fn set(&mut self, name: String, value: String) {
        self.0.insert(name, value);
    }

    /// As name and value.
    pub fn pairs(&self) -> Vec<(String, String)> {
        self.0.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Replaces `$(NAME)` by the variable's value. An unknown name stays as it is written; `$$` stands for one `$`.
    pub fn expand(&self, text: &str) -> String {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                expanded.push('$');
                rest = after;
            } else if let Some((name, after)) = after.strip_prefix('(').and_then(|after| after.split_once(')')) {
                match self.0.get(name) {
                    Some(value) => expanded.push_str(value),
                    None => expanded.push_str(&format!("$({name})")),
                }
                rest = after;
            } else {
                expanded.push('$');
                rest = after;
            }
        }
        expanded.push_str(rest);
        expanded
    }

    /// The command line of a container.
    pub fn command_line(&self, container: &Container) -> Vec<String> {
        container.command.iter().chain(&container.args).flatten().map(|part| self.expand(part)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn variables() -> Variables {
        Variables([("A".to_owned(), "a".to_owned()), ("EMPTY".to_owned(), String::new())].into())
    }

    #[test]
    fn references_are_expanded_as_kubernetes_does() {
        let cases = [
            ("$(A)", "a"),
            ("x$(A)y$(A)", "xaya"),
            ("$(EMPTY)", ""),
            ("$(UNKNOWN)", "$(UNKNOWN)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$a"),
            ("$A", "$A"),
            ("$(A", "$(A"),
            ("$", "$"),
            ("100%$$", "100%$"),
        ];
        for (text, expected) in cases {
            assert_eq!(variables().expand(text), expected, "{text}");
        }
    }

    #[test]
    fn a_field_reference_reads_the_pod() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "front", "namespace": "default", "uid": "u", "labels": {"a/b": "c"}},
            "spec": {"nodeName": "here", "containers": []},
        }))
        .unwrap();
        let base = Base {
            path: "/bin",
            home: Path::new("/pod"),
            address: [127, 64, 0, 1].into(),
            host_address: [127, 0, 0, 1].into(),
        };
        let value = |path: &str| field_value(&pod, &base, path);
        assert_eq!(value("metadata.name").as_deref(), Some("front"));
        assert_eq!(value("metadata.labels['a/b']").as_deref(), Some("c"));
        assert_eq!(value("metadata.annotations['none']").as_deref(), Some(""));
        assert_eq!(value("status.podIP").as_deref(), Some("127.64.0.1"));
        assert_eq!(value("spec.containers"), None);
    }
}
