//! The chart's RBAC, generated from the list.

use super::list::{Place, RIGHTS, Right, Role};
use std::fmt::{self, Write as _};

/// A template could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the template of the {0}'s rights cannot be written: {1}")]
pub struct RbacError(&'static str, fmt::Error);

/// The files of `deploy/chart/templates` that hold the roles' rights: name and content.
pub fn rbac_templates() -> Result<Vec<(String, String)>, RbacError> {
    [Role::Gateway, Role::Manager]
        .into_iter()
        .map(|role| {
            let name = role.as_str();
            let mut text = String::new();
            template(&mut text, role).map_err(|error| RbacError(name, error))?;
            Ok((format!("{name}-rbac.yaml"), text))
        })
        .collect()
}

fn template(text: &mut String, role: Role) -> fmt::Result {
    let name = role.as_str();
    writeln!(
        text,
        "{{{{- /* Generated from src/cluster/rights/list.rs; DOORSTEP_UPDATE=1 cargo test --test generated writes it anew. */}}}}"
    )?;
    writeln!(text, "{{{{- if .Values.{name}.enabled }}}}")?;
    for place in PLACES {
        let rights: Vec<&Right> = RIGHTS.iter().filter(|right| right.role == role && right.place == place).collect();
        if rights.is_empty() {
            continue;
        }
        let condition = condition(place);
        if let Some(condition) = condition {
            writeln!(text, "{{{{- if {condition} }}}}")?;
        }
        documents(text, name, place, &rights)?;
        if condition.is_some() {
            writeln!(text, "{{{{- end }}}}")?;
        }
    }
    writeln!(text, "{{{{- end }}}}")
}

const PLACES: [Place; 6] =
    [Place::Watched, Place::Environments, Place::Lease, Place::Gateways, Place::Cluster, Place::Tokens];

/// With which values the rights of `place` are needed; none: always. It says in the chart what `Scope` says at run time.
fn condition(place: Place) -> Option<&'static str> {
    match place {
        Place::Watched | Place::Environments | Place::Lease | Place::Cluster => None,
        Place::Gateways => Some("and .Values.namespaced .Values.gateway.enabled"),
        Place::Tokens => Some("hasKey .Values.manager.identity \"kubernetes\""),
    }
}

/// A role and its binding.
fn documents(text: &mut String, role: &str, place: Place, rights: &[&Right]) -> fmt::Result {
    let (suffix, namespace) = match place {
        Place::Watched => ("", "{{ include \"doorstep.environments.namespace\" . }}"),
        Place::Environments => ("-environments", "{{ include \"doorstep.environments.namespace\" . }}"),
        Place::Lease => ("-lease", "{{ .Release.Namespace }}"),
        Place::Gateways => ("-gateways", "{{ .Release.Namespace }}"),
        Place::Cluster => ("-classes", ""),
        Place::Tokens => ("-tokenreviews", ""),
    };
    // With a release in each of several namespaces, names of what has no namespace would meet.
    let global = "{{ .Release.Namespace }}-";
    let (prefix, kind) = match place {
        Place::Watched => (
            format!("{{{{ if not .Values.namespaced }}}}{global}{{{{ end }}}}"),
            "{{ if .Values.namespaced }}Role{{ else }}ClusterRole{{ end }}",
        ),
        Place::Environments | Place::Lease | Place::Gateways => (String::new(), "Role"),
        Place::Cluster | Place::Tokens => (global.to_owned(), "ClusterRole"),
    };
    let name = format!("{prefix}{{{{ include \"doorstep.{role}.fullname\" . }}}}{suffix}");
    let mut metadata = format!("metadata:\n  name: {name}\n");
    match place {
        Place::Watched => {
            write!(metadata, "  {{{{- if .Values.namespaced }}}}\n  namespace: {namespace}\n  {{{{- end }}}}\n")?;
        }
        Place::Environments | Place::Lease | Place::Gateways => writeln!(metadata, "  namespace: {namespace}")?,
        Place::Cluster | Place::Tokens => {}
    }
    write!(
        metadata,
        "  labels:\n    {{{{- include \"doorstep.labels\" . | nindent 4 }}}}\n    app.kubernetes.io/component: {role}\n"
    )?;
    write!(text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\n{metadata}rules:\n")?;
    for right in rights {
        rule(text, right)?;
    }
    write!(text, "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}Binding\n{metadata}")?;
    write!(text, "roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {name}\nsubjects:\n")?;
    write!(text, "  - kind: ServiceAccount\n    name: {{{{ include \"doorstep.{role}.serviceAccountName\" . }}}}\n")?;
    writeln!(text, "    namespace: {{{{ .Release.Namespace }}}}")
}

fn rule(text: &mut String, right: &Right) -> fmt::Result {
    let Right { group, resource, without, .. } = right;
    let verbs: Vec<&str> = right.verbs.iter().map(|verb| verb.as_str()).collect();
    writeln!(text, "  # Without: {without}.")?;
    writeln!(text, "  - apiGroups: [\"{group}\"]\n    resources: [{resource}]\n    verbs: [{}]", verbs.join(", "))
}
