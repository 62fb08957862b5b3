//! Twenty manifests in `tests/data/traefik`, each with a table of requests and the answers that Traefik's documentation
//! promises: migrated, read back by our own reader, and asked by the table that the gateway asks.

mod losses;

use super::*;
use crate::config::read_routes;
use crate::routing::{ExplainedAnswer, Explanation, RequestView, Routes, Scheme, Snapshot};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

fn manifests() -> Vec<SourceFile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/traefik");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| SourceFile {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        text: std::fs::read_to_string(path).unwrap(),
    };
    paths.iter().map(read).collect()
}

fn table(migration: &Migration) -> Arc<Snapshot> {
    let mut routes = Routes::new("unused.test".parse().unwrap());
    if !migration.routes.is_empty() {
        let read = read_routes(&migration.routes, "routes.yaml").unwrap_or_else(|said| panic!("{said}"));
        read.into_iter().for_each(|contribution| routes.apply(contribution));
    }
    routes.snapshot()
}

/// `METHOD URL [@CLIENT] [| NAME: VALUE]…`, explained.
fn explained(table: &Snapshot, request: &str) -> Explanation {
    let mut parts = request.split(" | ");
    let mut first = parts.next().unwrap().split_whitespace();
    let (method, url) =
        (first.next().unwrap().parse::<Method>().unwrap(), first.next().unwrap().parse::<Uri>().unwrap());
    let client = first.next().map(|client| client.strip_prefix('@').unwrap().parse().unwrap());
    let mut headers = HeaderMap::new();
    for field in parts {
        let (name, value) = field.split_once(": ").unwrap();
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let host = url.host().unwrap().trim_end_matches('.').to_ascii_lowercase();
    let scheme = Scheme::of_tls(url.scheme_str() == Some("https"));
    let view =
        RequestView { scheme, client, query: url.query(), ..RequestView::new(&host, url.path(), &method, &headers) };
    let told = table.explain(&view);
    // Without filters the request goes on as it is.
    let path = url.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let as_it_is = told.winner.is_some().then_some(ExplainedAnswer::Forwarded { host, path });
    Explanation { outcome: told.outcome.clone().or(as_it_is), ..told }
}

/// The answer in the words of the tables.
fn answer(told: &Explanation, asked_host: &str) -> String {
    let weighted = |backend: &crate::routing::ExplainedBackend| match told.backends.len() {
        1 => backend.cluster.clone(),
        _ => format!("{}*{}", backend.cluster, backend.weight),
    };
    match &told.outcome {
        None => "none".to_owned(),
        Some(ExplainedAnswer::Redirected { status, location }) => format!("{status} {location}"),
        Some(ExplainedAnswer::Refused { status, .. }) => format!("refused {status}"),
        Some(ExplainedAnswer::Preflight { allowed_origin }) => {
            format!("preflight {}", allowed_origin.as_deref().unwrap_or("nobody"))
        }
        Some(ExplainedAnswer::Forwarded { host, path }) => {
            let backends: Vec<String> = told.backends.iter().map(weighted).collect();
            let other = if host == asked_host { String::new() } else { format!(" @{host}") };
            format!("{} {path}{other}", backends.join(","))
        }
    }
}

#[test]
fn explain_answers_what_the_documentation_promises() {
    let mut wrong = Vec::new();
    let mut asked = 0;
    let files = manifests();
    assert_eq!(files.len(), 20);
    for file in &files {
        let migration = migrate(std::slice::from_ref(file), &Options::default());
        assert!(!migration.has_mistakes(), "{}: {:#?}", file.name, migration.remarks);
        let table = table(&migration);
        for line in file.text.lines().filter_map(|line| line.strip_prefix("#> ")) {
            let (request, promised) = line.split_once(" -> ").unwrap();
            let told = explained(&table, request);
            let got = answer(&told, &told.host);
            asked += 1;
            if got != promised {
                wrong.push(format!("{}: {request}: promised {promised}, got {got} ({})", file.name, told.decision));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked > 80, "{asked} requests");
}

fn remarks(name: &str) -> Vec<String> {
    let file = manifests().into_iter().find(|file| file.name.starts_with(name)).unwrap();
    migrate(&[file], &Options::default()).remarks.iter().map(ToString::to_string).collect()
}

#[test]
fn each_thing_without_a_counterpart_has_a_line_with_its_place() {
    let (none, ingress) = (remarks("17"), remarks("20"));
    for (lines, part) in [
        (&none, "17-no-counterpart.yaml: Middleware shop/basic: spec.basicAuth: no counterpart, so the route refuses"),
        (&none, "Middleware shop/forward: spec.forwardAuth: no counterpart, so the route refuses"),
        (&none, "IngressRoute shop/none: spec.routes[3].middlewares[0]: no counterpart, so the route refuses"),
        (&none, "Middleware shop/limit: spec.rateLimit: no counterpart: "),
        (&none, "Middleware shop/compress: spec.compress: no counterpart: "),
        (&none, "TLSOption shop/mtls: spec.clientAuth: no counterpart, so the route refuses"),
        (&none, "IngressRoute shop/none: spec.routes[5].services[0]: no counterpart: api@internal"),
        (&ingress, "router.tls.certresolver: no counterpart"),
        (
            &ingress,
            "TLSStore shop/default: spec.defaultCertificate: note: start the gateway with --default-certificate shop/wildcard",
        ),
        (&ingress, "IngressRouteTCP shop/db: spec: no counterpart"),
    ] {
        assert!(lines.iter().any(|line| line.contains(part)), "no «{part}» in {lines:#?}");
    }
}

#[test]
fn an_ingress_that_uses_nothing_else_stays_one() {
    let file = manifests().pop().unwrap();
    let migration = migrate(&[file], &Options::default());
    let kept: serde_json::Value = serde_saphyr::from_str(&migration.ingresses).unwrap();
    assert_eq!(kept["metadata"], serde_json::json!({"name": "plain", "namespace": "shop"}));
    assert_eq!(kept["spec"]["ingressClassName"], "doorstep");
    assert!(!migration.routes.contains("plain.example.test"));
}

#[test]
fn all_manifests_together_answer_as_they_do_alone_where_none_is_wider() {
    let migration = migrate(&manifests(), &Options::default());
    let table = table(&migration);
    // A router without a host, of another manifest, takes what no other does: Traefik asks it too.
    let told = explained(&table, "GET http://p.example.test/metrics");
    assert_eq!(answer(&told, "p.example.test"), "shop/metrics:80 /metrics");
    // And an Ingress beside it goes to the file, or its host would hide that router.
    assert!(migration.ingresses.is_empty() && migration.routes.contains("plain.example.test"));
}

#[test]
fn mistakes_are_told_and_leave_the_rest() {
    let text = "
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: x}
spec:
  routes:
  - {match: 'Host(`a.test`', services: [{name: a, port: 80}]}
  - {match: 'PathRegexp(`(`)', services: [{name: a, port: 80}]}
  - {match: 'Host(`b.test`)', services: [{name: b}]}
  - {match: 'Host(`c.test`)', services: [{name: c, port: 80}]}
  - {match: 'Host(`not a host`)', services: [{name: c, port: 80}]}
";
    let file = |text: &str| SourceFile { name: "f.yaml".into(), text: text.into() };
    let migration = migrate(&[file(text), file("a: [")], &Options::default());
    let told: Vec<String> =
        migration.remarks.iter().filter(|r| r.severity == Severity::Mistake).map(ToString::to_string).collect();
    assert_eq!(told.len(), 5, "{told:#?}");
    assert!(
        told.iter().any(|line| line.contains("spec.routes[0].match: mistake: at character 14: a comma or")),
        "{told:#?}"
    );
    let table = table(&migration);
    assert_eq!(answer(&explained(&table, "GET http://c.test/"), "c.test"), "default/c:80 /");
    assert_eq!(answer(&explained(&table, "GET http://b.test/"), "b.test"), "refused 503");
}

#[test]
fn a_rule_cannot_write_into_the_file_beside_its_comment() {
    let text = "{apiVersion: traefik.io/v1alpha1, kind: IngressRoute, metadata: {name: x}, spec: {routes: [{match: \"Host(`a.test`)\\n\\n- hosts: [evil.test]\", services: [{name: a, port: 80}]}, {match: \"Host(`a.test`) &&\\n Path(`/x`)\", services: [{name: a, port: 80}]}]}}";
    let migration = migrate(&[SourceFile { name: "f\n- x".into(), text: text.into() }], &Options::default());
    let table = table(&migration);
    assert_eq!(answer(&explained(&table, "GET http://evil.test/"), "evil.test"), "none");
    assert_eq!(answer(&explained(&table, "GET http://a.test/x"), "a.test"), "default/a:80 /x");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever the parts of a manifest hold, what is written is read by our own reader.
    #[test]
    fn whatever_is_written_is_read_back(host in "\\PC{0,12}", path in "\\PC{0,12}", value in "\\PC{0,12}", name in "\\PC{1,12}") {
        let rule = format!("Host(\"{}\") && PathPrefix(\"/{}\")", host.escape_default(), path.escape_default());
        let object = serde_json::json!([
            {"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute", "metadata": {"name": name}, "spec": {"routes": [
                {"match": rule, "middlewares": [{"name": "m"}], "services": [{"name": name, "port": value}]}
            ]}},
            {"apiVersion": "traefik.io/v1alpha1", "kind": "Middleware", "metadata": {"name": "m"}, "spec": {
                "headers": {"customRequestHeaders": {name.clone(): value.clone()}}
            }},
        ]);
        let text = object.as_array().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n---\n");
        let migration = migrate(&[SourceFile { name: "f".into(), text }], &Options::default());
        if !migration.routes.is_empty() {
            prop_assert!(read_routes(&migration.routes, "routes.yaml").is_ok());
        }
    }
}
