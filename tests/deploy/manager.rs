//! The manager of the chart: its store, TLS, name server and file of routes.

use super::helm::{find, name, objects, root, template, template_text};
use doorstep::config::read_routes;
use serde_json::{Value, json};

/// The manager's pod template.
fn pod(objects: &[Value]) -> &Value {
    find(objects, "Deployment/doorstep-manager").pointer("/spec/template/spec").unwrap()
}

fn arguments(pod: &Value) -> Vec<&str> {
    pod.pointer("/containers/0/args").unwrap().as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}

/// The volume of this name, which is mounted at `path`.
fn mounted<'a>(pod: &'a Value, name: &str, path: &str) -> &'a Value {
    let mounts = pod.pointer("/containers/0/volumeMounts").unwrap().as_array().unwrap();
    let mount = mounts.iter().find(|mount| mount["name"] == name).unwrap_or_else(|| panic!("no {name} in {mounts:?}"));
    assert_eq!((&mount["mountPath"], mount.get("subPath")), (&json!(path), None), "{name}");
    pod["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == name).expect(name)
}

#[test]
fn one_manager_keeps_its_store_on_a_volume_that_one_pod_at_a_time_may_have() {
    let objects = template(&[]);
    let manager = find(&objects, "Deployment/doorstep-manager");
    assert_eq!(manager["spec"]["strategy"], json!({"type": "Recreate"}));
    assert_eq!(manager["spec"]["replicas"], 1);
    let volume = mounted(pod(&objects), "data", "/var/lib/doorstep");
    assert_eq!(volume["persistentVolumeClaim"]["claimName"], "doorstep-manager");
    let claim = find(&objects, "PersistentVolumeClaim/doorstep-manager");
    assert_eq!(claim["spec"], json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}));
    assert_eq!(claim["metadata"]["annotations"]["helm.sh/resource-policy"], "keep", "the audit outlives the release");

    let own = template(&["manager.store.persistence.existingClaim=ours"]);
    assert_eq!(mounted(pod(&own), "data", "/var/lib/doorstep")["persistentVolumeClaim"]["claimName"], "ours");
    for sets in [
        &["manager.store.existingSecret=store"][..],
        &["manager.store.persistence.enabled=false"],
        &["manager.store.persistence.existingClaim=ours"],
    ] {
        assert!(!template(sets).iter().any(|object| object["kind"] == "PersistentVolumeClaim"), "{sets:?}");
    }
}

#[test]
fn several_managers_share_a_store_or_are_refused() {
    let objects = template(&["manager.replicas=3", "manager.store.existingSecret=store"]);
    assert_eq!(find(&objects, "Deployment/doorstep-manager")["spec"]["replicas"], 3);
    assert!(mounted(pod(&objects), "data", "/var/lib/doorstep").get("emptyDir").is_some());
    assert_eq!(mounted(pod(&objects), "store", "/etc/doorstep/store")["secret"]["secretName"], "store");
    let refused = template_text(&["--set", "manager.replicas=2"]).unwrap_err();
    assert!(
        refused.contains("name a PostgreSQL that they share in manager.store.existingSecret, or have 1"),
        "{refused}"
    );
}

#[test]
fn by_tls_whoever_calls_the_api_speaks_tls() {
    let objects = template(&[
        "manager.tls.secretName=api-tls",
        "manager.tls.clientAuthorities.existingSecret=clients",
        "serviceMonitor.enabled=true",
        "serviceMonitor.tlsConfig.ca.secret.name=api-tls",
    ]);
    let pod = pod(&objects);
    for wanted in [
        "--api-tls-cert=/etc/doorstep/tls/tls.crt",
        "--api-tls-key=/etc/doorstep/tls/tls.key",
        "--api-client-ca=/etc/doorstep/client-authorities/ca.crt",
    ] {
        assert!(arguments(pod).contains(&wanted), "{wanted} in {:?}", arguments(pod));
    }
    assert_eq!(mounted(pod, "tls", "/etc/doorstep/tls")["secret"]["secretName"], "api-tls");
    let clients = &mounted(pod, "client-authorities", "/etc/doorstep/client-authorities")["secret"];
    assert_eq!(clients["items"], json!([{"key": "ca.crt", "path": "ca.crt"}]), "the key beside it is left out");
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(pod["containers"][0][probe]["httpGet"]["scheme"], "HTTPS", "{probe}");
    }
    assert_eq!(find(&objects, "Service/doorstep-manager")["spec"]["ports"][0]["name"], "https");
    let monitor = &find(&objects, "ServiceMonitor/doorstep")["spec"]["endpoints"];
    assert_eq!((&monitor[0]["port"], monitor[0].get("scheme")), (&json!("metrics"), None), "the gateway's");
    assert_eq!((&monitor[1]["port"], &monitor[1]["scheme"]), (&json!("https"), &json!("https")));
    let looks = json!({"serverName": "doorstep-manager.doorstep.svc", "ca": {"secret": {"name": "api-tls"}}});
    assert_eq!(monitor[1]["tlsConfig"], looks);

    let plain = template(&["serviceMonitor.enabled=true"]);
    assert!(!arguments(self::pod(&plain)).iter().any(|one| one.contains("tls")));
    assert_eq!(find(&plain, "ServiceMonitor/doorstep")["spec"]["endpoints"].as_array().unwrap().len(), 1);
}

#[test]
fn cert_manager_makes_a_certificate_for_the_names_of_the_api() {
    let objects = template(&["manager.tls.issuer.name=ours", "manager.hosts={api.example.com}"]);
    let certificate = &find(&objects, "Certificate/doorstep-manager")["spec"];
    assert_eq!(certificate["issuerRef"], json!({"name": "ours", "kind": "ClusterIssuer", "group": "cert-manager.io"}));
    let pod = pod(&objects);
    let secret = mounted(pod, "tls", "/etc/doorstep/tls");
    assert_eq!(secret["secret"]["secretName"], certificate["secretName"]);
    for host in certificate["dnsNames"].as_array().unwrap() {
        let wanted = format!("--api-host={}", host.as_str().unwrap());
        assert!(arguments(pod).contains(&wanted.as_str()), "{wanted}: who has the certificate is answered");
    }
    assert_eq!(certificate["dnsNames"].as_array().unwrap().len(), 5, "{certificate}");
    let own = template(&["manager.tls.issuer.name=ours", "manager.tls.names={api.example.com}"]);
    assert_eq!(find(&own, "Certificate/doorstep-manager")["spec"]["dnsNames"], json!(["api.example.com"]));
}

#[test]
fn a_name_server_is_reached_on_53_and_listens_where_it_may() {
    let sets = ["manager.dnsAuthority.enabled=true", "manager.dnsAuthority.addresses={203.0.113.10,2001:db8::10}"];
    let objects = template(&sets);
    let arguments = arguments(pod(&objects));
    for wanted in ["--dns-authority=0.0.0.0:5353", "--publish-address=203.0.113.10", "--publish-address=2001:db8::10"] {
        assert!(arguments.contains(&wanted), "{wanted} in {arguments:?}");
    }
    assert!(!arguments.iter().any(|one| one.starts_with("--publish-service")), "the addresses are said");
    let service = &find(&objects, "Service/doorstep-manager-dns")["spec"]["ports"];
    let ports = pod(&objects).pointer("/containers/0/ports").unwrap();
    let policy = &find(&objects, "NetworkPolicy/doorstep-manager")["spec"]["ingress"];
    for (at, protocol) in ["UDP", "TCP"].iter().enumerate() {
        assert_eq!((&service[at]["port"], &service[at]["protocol"]), (&json!(53), &json!(protocol)));
        let named = |port: &&Value| port["name"] == service[at]["targetPort"];
        let port = ports.as_array().unwrap().iter().find(named).unwrap();
        assert_eq!((&port["containerPort"], &port["protocol"]), (&json!(5353), &json!(protocol)));
        let open = json!({"port": port["name"], "protocol": protocol});
        assert!(policy[1]["ports"].as_array().unwrap().contains(&open), "{policy}");
    }
    assert!(!template(&[]).iter().any(|object| name(object).ends_with("-dns")), "it has to be asked for");
}

#[test]
fn both_roles_get_the_file_of_routes_as_it_is_written_in_the_values() {
    let text = std::fs::read_to_string(root().join("config/routes/example.yaml")).unwrap();
    let values = json!({"routes": {"file": serde_saphyr::from_str::<Value>(&text).unwrap()}});
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), values.to_string()).unwrap();
    let objects = objects(&template_text(&["--values", file.path().to_str().unwrap()]).unwrap());
    let held = find(&objects, "ConfigMap/doorstep-routes")["data"]["routes.yaml"].as_str().unwrap().to_owned();
    let read = |text: &str| format!("{:?}", read_routes(text, "routes.yaml").unwrap());
    assert_eq!(read(&held), read(&text));
    for role in ["gateway", "manager"] {
        let pod = find(&objects, &format!("Deployment/doorstep-{role}")).pointer("/spec/template/spec").unwrap();
        assert!(arguments(pod).contains(&"--routes=/etc/doorstep/routes/routes.yaml"), "{role}");
        assert_eq!(mounted(pod, "routes", "/etc/doorstep/routes")["configMap"]["name"], "doorstep-routes", "{role}");
    }
}
