//! Defaults of pods and of pod templates.

use super::super::json;
use serde_json::{Value, json};

pub(super) fn pod(pod: &mut Value, new: bool) {
    if let Some(pod_spec) = pod.get_mut("spec") {
        spec(pod_spec);
        json::set_default(pod_spec, &["enableServiceLinks"], true);
        for list in ["/containers", "/initContainers"] {
            json::items_mut(pod_spec, list).iter_mut().for_each(requests);
        }
    }
    if new {
        json::set(pod, &["status", "phase"], "Pending");
        json::set(pod, &["status", "qosClass"], quality(pod));
    }
}

/// Defaults of a pod's spec, in a pod or in a template.
pub(super) fn spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    json::set_default(spec, &["restartPolicy"], "Always");
    json::set_default(spec, &["dnsPolicy"], "ClusterFirst");
    json::set_default(spec, &["schedulerName"], "default-scheduler");
    json::set_default(spec, &["securityContext"], json!({}));
    json::set_default(spec, &["terminationGracePeriodSeconds"], 30);
    for list in ["/containers", "/initContainers"] {
        json::items_mut(spec, list).iter_mut().for_each(container);
    }
    json::items_mut(spec, "/volumes").iter_mut().for_each(volume);
}

fn container(container: &mut Value) {
    let pull = pull_policy(json::text(container, "/image"));
    json::set_default(container, &["imagePullPolicy"], pull);
    json::set_default(container, &["terminationMessagePath"], "/dev/termination-log");
    json::set_default(container, &["terminationMessagePolicy"], "File");
    json::set_default(container, &["resources"], json!({}));
    for port in json::items_mut(container, "/ports") {
        json::set_default(port, &["protocol"], "TCP");
    }
    for variable in json::items_mut(container, "/env") {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            json::set_default(field, &["apiVersion"], "v1");
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = container.get_mut(name) {
            probe(found);
        }
    }
    for hook in ["/lifecycle/preStop/httpGet", "/lifecycle/postStart/httpGet"] {
        if let Some(get) = container.pointer_mut(hook) {
            http_get(get);
        }
    }
}

/// A tag that moves is pulled each time.
fn pull_policy(image: &str) -> &'static str {
    let last = image.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once('@').map_or_else(|| last.rsplit_once(':').map(|(_, tag)| tag), |_| Some("digest"));
    if matches!(tag, None | Some("latest")) { "Always" } else { "IfNotPresent" }
}

fn probe(probe: &mut Value) {
    for (field, seconds) in
        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        // Zero means that it was not given.
        if json::integer(probe, &format!("/{field}")) == Some(0) {
            json::remove(probe, &[field]);
        }
        json::set_default(probe, &[field], seconds);
    }
    if let Some(get) = probe.get_mut("httpGet") {
        http_get(get);
    }
    if let Some(grpc) = probe.get_mut("grpc") {
        json::set_default(grpc, &["service"], "");
    }
}

fn http_get(get: &mut Value) {
    json::set_default(get, &["path"], "/");
    json::set_default(get, &["scheme"], "HTTP");
}

fn volume(volume: &mut Value) {
    if volume.as_object().is_some_and(|fields| fields.keys().all(|name| name == "name")) {
        json::set(volume, &["emptyDir"], json!({}));
    }
    for source in ["configMap", "secret", "projected", "downwardAPI"] {
        if let Some(found) = volume.get_mut(source) {
            json::set_default(found, &["defaultMode"], 0o644);
        }
    }
}

/// What is limited and not requested is requested up to its limit.
fn requests(container: &mut Value) {
    let limits = json::map(container, "/resources/limits").cloned().unwrap_or_default();
    for (resource, limit) in limits {
        json::set_default(container, &["resources", "requests", resource.as_str()], limit);
    }
}

/// The quality-of-service class, by requests and limits.
fn quality(pod: &Value) -> &'static str {
    let containers = json::items(pod, "/spec/containers").iter().chain(json::items(pod, "/spec/initContainers"));
    let (mut any, mut all) = (false, true);
    for container in containers {
        for resource in ["cpu", "memory"] {
            let request = container.pointer(&format!("/resources/requests/{resource}"));
            let limit = container.pointer(&format!("/resources/limits/{resource}"));
            any |= request.is_some() || limit.is_some();
            all &= limit.is_some() && request == limit;
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::pull_policy;

    #[test]
    fn an_image_without_a_fixed_tag_is_pulled_each_time() {
        let policies = ["a", "a:latest", "host:5000/a", "a:1", "host:5000/a:1", "a@sha256:00"].map(pull_policy);
        assert_eq!(policies, ["Always", "Always", "Always", "IfNotPresent", "IfNotPresent", "IfNotPresent"]);
    }
}
