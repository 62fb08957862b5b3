//! Nothing is lost in silence: what Traefik would have done is written, or a line says that it is not.

use super::*;
use serde_json::{Value, json};

/// The documents, migrated together.
fn migrated(documents: &[Value], options: &Options) -> Migration {
    let text = documents.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n---\n");
    migrate(&[SourceFile { name: "f".into(), text }], options)
}

fn lines(migration: &Migration) -> Vec<String> {
    migration.remarks.iter().map(ToString::to_string).collect()
}

fn assert_told(migration: &Migration, part: &str) {
    let lines = lines(migration);
    assert!(lines.iter().any(|line| line.contains(part)), "no «{part}» in {lines:#?}\n{}", migration.routes);
}

/// The answer to `request` by the routes of `migration`.
fn answered(migration: &Migration, request: &str) -> String {
    let told = explained(&table(migration), request);
    answer(&told, &told.host)
}

/// An IngressRoute with one route, which has `more`.
fn route(rule: &str, more: &Value) -> Value {
    let mut route = json!({"kind": "Rule", "match": rule, "services": [{"name": "a", "port": 80}]});
    let fields = more.as_object().cloned().unwrap_or_default();
    route.as_object_mut().unwrap().extend(fields);
    let metadata = json!({"name": "r", "namespace": "shop"});
    json!({"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute", "metadata": metadata, "spec": {
        "entryPoints": ["web"], "routes": [route]
    }})
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    let metadata = json!({"name": name, "namespace": "shop"});
    json!({"apiVersion": "traefik.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
}

fn ingress(annotations: &Value, spec: &Value) -> Value {
    let metadata = json!({"name": "i", "namespace": "shop", "annotations": annotations});
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec})
}

fn to_service(host: &str, port: &Value) -> Value {
    let backend = json!({"service": {"name": "a", "port": port}});
    json!({"rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}]})
}

/// The places of all that is no list and no object.
fn leaves(value: &Value, place: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, value)| leaves(value, &format!("{place}/{}", name.replace('/', "~1")), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| leaves(item, &format!("{place}/{index}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push(place.to_owned()),
    }
}

fn without(document: &Value, place: &str) -> Value {
    let mut document = document.clone();
    let (parent, name) = place.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.remove(&name.replace("~1", "/"))),
        Value::Array(items) => drop(items.remove(name.parse().unwrap())),
        _ => unreachable!(),
    }
    document
}

/// What may be there or not: what says what holds without it, and the parts of what is told, or refused, as a whole.
const OF_NO_ACCOUNT: [&str; 18] = [
    "/kind",
    "/basicAuth/",
    "/forwardAuth/",
    "/plugin/",
    "/rateLimit/",
    "/retry/",
    "/clientAuth/secretNames",
    "IngressRouteTCP /spec",
    "14-ip-allow-list.yaml: Middleware /spec/ipAllowList/sourceRange/0",
    "15-headers-and-cors.yaml: Middleware /spec/headers/stsSeconds",
    "18-weighted.yaml: IngressRoute /spec/routes/1/services/1/weight",
    "18-weighted.yaml: TraefikService /spec/weighted/services/1/weight",
    // Beside `tls`, entry points are of no account.
    "router.entrypoints",
    "/spec/entryPoints/0",
    "/mirroring/mirrors/",
    "/spec/ingressClassName",
    "20-ingress.yaml: Ingress /spec/rules/0/http/paths/0/pathType",
    "20-ingress.yaml: Ingress /metadata/annotations/traefik.ingress.kubernetes.io~1router.tls",
];

#[test]
fn every_field_of_the_manifests_is_written_or_told() {
    let options = Options::default();
    let mut lost = Vec::new();
    let mut asked = 0;
    for file in manifests() {
        let documents: Vec<Value> = serde_saphyr::from_multiple(&file.text).unwrap();
        let whole = migrated(&documents, &options);
        for (index, document) in documents.iter().enumerate() {
            let mut places = Vec::new();
            leaves(&document["spec"], "/spec", &mut places);
            let annotations = &document["metadata"]["annotations"];
            leaves(annotations, "/metadata/annotations", &mut places);
            places.retain(|place| *place != "/metadata/annotations" && *place != "/spec");
            for place in places {
                let mut changed = documents.clone();
                changed[index] = without(document, &place);
                let (before, after) = (&whole, migrated(&changed, &options));
                asked += 1;
                let name = format!("{}: {} {place}", file.name, document["kind"].as_str().unwrap());
                let is_same = before.routes == after.routes
                    && before.ingresses == after.ingresses
                    && before.remarks == after.remarks;
                if is_same && !OF_NO_ACCOUNT.iter().any(|part| name.contains(part)) {
                    lost.push(name);
                }
            }
        }
    }
    assert!(lost.is_empty(), "lost in silence:\n{}", lost.join("\n"));
    assert!(asked > 200, "{asked} fields");
}

#[test]
fn a_port_that_speaks_https_by_traefiks_rule_is_not_sent_plain_http() {
    let options = Options::default();
    let service = |port: &Value| json!({"services": [{"name": "a", "port": port}]});
    let named = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "shop"}, "spec": {
        "ports": [{"name": "https-web", "port": 8443}, {"name": "web", "port": 80}]
    }});
    for (port, documents) in [
        (json!(443), vec![]),
        (json!("https"), vec![]),
        (json!(8443), vec![named.clone()]),
        (json!("https-web"), vec![named.clone()]),
    ] {
        let of_route = [vec![route("Host(`a.test`)", &service(&port))], documents.clone()].concat();
        let migration = migrated(&of_route, &options);
        assert_told(&migration, "the scheme https to backends is not spoken");
        assert_eq!(answered(&migration, "GET http://a.test/"), "refused 503", "{port}");
        let field = if port.is_number() { "number" } else { "name" };
        let plain = ingress(&json!({}), &to_service("a.test", &json!({field: port})));
        let migration = migrated(&[vec![plain], documents].concat(), &options);
        assert_told(&migration, "the scheme https to backends is not spoken");
        assert_eq!(answered(&migration, "GET http://a.test/"), "refused 503", "{port}");
    }
    let migration = migrated(&[route("Host(`a.test`)", &service(&json!(80))), named], &options);
    assert_eq!(answered(&migration, "GET http://a.test/"), "shop/a:80 /");
}

#[test]
fn middlewares_of_a_service_guard_it_however_deep_it_is_named() {
    let guarded = json!([{"name": "a", "port": 80, "middlewares": [{"name": "auth"}]}, {"name": "b", "port": 80}]);
    let direct = route("Host(`a.test`)", &json!({"services": guarded}));
    let nested = route("Host(`a.test`)", &json!({"services": [{"name": "t", "kind": "TraefikService"}]}));
    let weighted = object("TraefikService", "t", &json!({"weighted": {"services": guarded}}));
    for documents in [vec![direct], vec![nested, weighted]] {
        let migration = migrated(&documents, &Options::default());
        assert_eq!(answered(&migration, "GET http://a.test/"), "refused 403");
        assert_told(&migration, "services[0].middlewares: no counterpart, so the route refuses");
    }
}

#[test]
fn an_ingress_whose_tls_options_ask_for_client_certificates_refuses() {
    let options = |spec: &Value| object("TLSOption", "mtls", spec);
    let asking = options(&json!({"clientAuth": {"clientAuthType": "RequireAndVerifyClientCert"}}));
    let other = options(&json!({"minVersion": "VersionTLS13"}));
    let with = |name: &str| {
        let annotations = json!({"traefik.ingress.kubernetes.io/router.tls.options": name});
        ingress(&annotations, &to_service("a.test", &json!({"number": 80})))
    };
    let mut default = asking.clone();
    default["metadata"]["name"] = json!("default");
    for (documents, expected) in [
        (vec![with("shop-mtls@kubernetescrd"), asking], "refused 403"),
        (vec![with("shop-mtls@kubernetescrd"), other], "shop/a:80 /"),
        (vec![with("shop-mtls@kubernetescrd")], "refused 403"),
        (vec![with("mtls@file")], "refused 403"),
        (vec![with("default"), default], "refused 403"),
        (vec![with("default")], "shop/a:80 /"),
    ] {
        let migration = migrated(&documents, &Options::default());
        assert_eq!(answered(&migration, "GET https://a.test/"), expected, "{:#?}", lines(&migration));
        // A router of which something is said about TLS takes HTTPS alone.
        assert_eq!(answered(&migration, "GET http://a.test/"), "none");
    }
}

#[test]
fn annotations_are_read_in_any_case_and_with_or_without_quotes() {
    let annotations = json!({
        "traefik.ingress.kubernetes.io/router.entryPoints": "web, websecure",
        "traefik.ingress.kubernetes.io/router.pathMatcher": "PathRegexp",
        "traefik.ingress.kubernetes.io/router.priority": 7,
    });
    let mut spec = to_service("a.test", &json!({"number": 80}));
    spec["rules"][0]["http"]["paths"][0] = json!({"path": "^/[a-c]+\"$", "pathType": "ImplementationSpecific", "backend": {"service": {"name": "a", "port": {"number": 80}}}});
    let migration = migrated(&[ingress(&annotations, &spec)], &Options::default());
    assert!(migration.routes.contains("priority: 7"), "{}", migration.routes);
    spec["rules"][0]["http"]["paths"][0]["path"] = json!("^/[a-c]+$");
    let migration = migrated(&[ingress(&annotations, &spec)], &Options::default());
    assert_eq!(answered(&migration, "GET https://a.test/abc"), "shop/a:80 /abc");
    assert_eq!(answered(&migration, "GET http://a.test/abd"), "none");
}

#[test]
fn what_a_service_of_an_ingress_says_for_traefik_is_not_lost() {
    let service = |annotations: &Value| {
        let metadata = json!({"name": "a", "namespace": "shop", "annotations": annotations});
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}})
    };
    let plain = ingress(&json!({}), &to_service("a.test", &json!({"number": 80})));
    let prefix = "traefik.ingress.kubernetes.io/service";
    let of = |name: &str, value: &str| service(&json!({format!("{prefix}.{name}"): value}));
    let told = |document: Value| migrated(&[plain.clone(), document], &Options::default());
    assert!(told(of("serversscheme", "h2c")).routes.contains("protocol: h2c"));
    assert_told(&told(of("serversScheme", "https")), "the scheme https to backends is not spoken");
    let sticky = told(of("sticky.cookie", "true"));
    assert_told(&sticky, "sticky.cookie: no counterpart: a client is not kept");
    assert!(sticky.routes.is_empty(), "what has no counterpart is no reason to leave the Ingress");
    assert_told(&told(of("middlewares", "shop-auth@kubernetescrd")), "no counterpart, so the route refuses");
    assert!(told(service(&json!({}))).routes.is_empty(), "it stays an Ingress");
}

#[test]
fn an_ingress_that_joins_the_routes_says_where_its_certificate_went() {
    let mut spec = to_service("a.test", &json!({"number": 80}));
    spec["tls"] = json!([{"secretName": "cert"}]);
    let alone = migrated(&[ingress(&json!({}), &spec)], &Options::default());
    assert!(alone.remarks.is_empty() && alone.ingresses.contains("cert"), "{:#?}", alone.remarks);
    let both = migrated(&[ingress(&json!({}), &spec), route("Host(`a.test`)", &json!({}))], &Options::default());
    assert_told(&both, "Ingress shop/i: spec.tls: note: its certificates stay where they are");
    assert_told(&both, "it names no entry point, so it takes HTTP alone here");
}

#[test]
fn objects_of_other_classes_are_left_and_traefiks_own_class_has_any_name() {
    let class = |controller: &str| json!({"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "edge"}, "spec": {"controller": controller}});
    let mut ours = route("Host(`a.test`)", &json!({}));
    ours["spec"]["ingressClassName"] = json!("edge");
    let mut old = route("Host(`a.test`)", &json!({}));
    old["metadata"]["annotations"] = json!({"kubernetes.io/ingress.class": "edge"});
    for document in [ours, old] {
        let alone = migrated(std::slice::from_ref(&document), &Options::default());
        assert_eq!(answered(&alone, "GET http://a.test/"), "none");
        assert_told(&alone, "its class is edge, not traefik; it is left as it is");
        let other = migrated(&[document.clone(), class("k8s.io/ingress-nginx")], &Options::default());
        assert_eq!(answered(&other, "GET http://a.test/"), "none");
        let named = migrated(&[document, class("traefik.io/ingress-controller")], &Options::default());
        assert_eq!(answered(&named, "GET http://a.test/"), "shop/a:80 /");
    }
}

#[test]
fn paths_with_characters_that_a_request_has_encoded_match_them_as_traefik_does() {
    let migration = migrated(&[route("Host(`a.test`) && PathPrefix(`/foo bär|x`)", &json!({}))], &Options::default());
    for (path, expected) in [
        ("/foo%20b%C3%A4r%7Cx/y", "shop/a:80 /foo%20b%C3%A4r%7Cx/y"),
        ("/foo%20b%c3%a4r|x", "shop/a:80 /foo%20b%c3%a4r|x"),
        ("/foo%20bar", "none"),
    ] {
        assert_eq!(answered(&migration, &format!("GET http://a.test{path}")), expected);
    }
    let migration = migrated(&[route("HOST(`a.test`) && pathprefix(`/x`)", &json!({}))], &Options::default());
    assert_eq!(answered(&migration, "GET http://a.test/xy"), "shop/a:80 /xy");
}

#[test]
fn each_part_of_a_middleware_counts() {
    let with = |spec: Value| {
        let user = route("Host(`a.test`)", &json!({"middlewares": [{"name": "m"}]}));
        migrated(&[user, object("Middleware", "m", &spec)], &Options::default())
    };
    assert_told(
        &with(json!({"stripPrefixRegex": {"regex": ["^/x"], "forceSlash": true}})),
        "stripPrefixRegex.forceSlash",
    );
    assert_told(&with(json!({"addPrefix": {"prefix": ""}})), "spec.addPrefix.prefix: mistake: it is empty");
    assert_told(
        &with(json!({"redirectScheme": {"scheme": "https", "port": "abc"}})),
        "mistake: what comes of it is no route",
    );
    let numbered = with(json!({"redirectScheme": {"scheme": "https", "port": 8443}}));
    assert_eq!(answered(&numbered, "GET http://a.test/"), "302 https://a.test:8443/");
    let vary = with(json!({"headers": {"addVaryHeader": true}}));
    assert!(vary.routes.contains("vary: true"), "{}", vary.routes);
    let listed = with(json!({"headers": {"accessControlAllowHeaders": ["X-A, X-B"], "accessControlMaxAge": -1}}));
    assert!(listed.routes.contains("X-B"), "{}", listed.routes);
    assert_told(&listed, "accessControlMaxAge: no counterpart");
    let framing = with(json!({"headers": {"customResponseHeaders": {"Connection": "close", "X-A": "1"}}}));
    assert_told(&framing, "customResponseHeaders.connection: no counterpart");
    assert_eq!(answered(&framing, "GET http://a.test/"), "shop/a:80 /");
    // RFC 6797, section 7.2: not over plain HTTP.
    let sts = |more: &Value| {
        let mut spec = json!({"headers": {"stsSeconds": 60}});
        spec["headers"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        with(spec).routes.contains("max-age=60")
    };
    assert!(!sts(&json!({})) && sts(&json!({"forceSTSHeader": true})));
    // Nobody may say who he is where Traefik would have said it.
    let certificates = with(json!({"passTLSClientCert": {"pem": true}}));
    assert!(certificates.routes.contains("x-forwarded-tls-client-cert"), "{}", certificates.routes);
}

#[test]
fn what_is_left_out_has_a_line() {
    let external = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "shop"}, "spec": {"type": "ExternalName"}});
    let gateway = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "h"}});
    let old = json!({"apiVersion": "networking.k8s.io/v1beta1", "kind": "Ingress", "metadata": {"name": "o"}});
    let unused = object("Middleware", "m", &json!({"basicAuth": {"secret": "x"}}));
    let service = |more: &Value| {
        let mut service = json!({"name": "a", "port": 80});
        service.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        route("Host(`a.test`)", &json!({"services": [service]}))
    };
    let plain = || service(&json!({}));
    let empty = route("Host(`a.test`)", &json!({"services": [{"name": "t", "kind": "TraefikService"}]}));
    let mut no_entry = plain();
    no_entry["spec"].as_object_mut().unwrap().remove("entryPoints");
    let mut store = plain();
    store["spec"]["tls"] = json!({"store": {"name": "default"}, "domains": [{"main": "a.test"}]});
    let mut both = to_service("a.test", &json!({"number": 80}));
    both["defaultBackend"] = json!({"service": {"name": "d", "port": {"number": 80}}});
    let web = json!({"traefik.ingress.kubernetes.io/router.entrypoints": "web"});
    for (documents, line) in [
        (vec![plain(), external], "of type ExternalName"),
        (vec![gateway], "HTTPRoute default/h: no counterpart: the Gateway API is not read"),
        (vec![old], "Ingress default/o: mistake: no cluster serves networking.k8s.io/v1beta1"),
        (vec![unused], "Middleware shop/m: note: no route of these files uses it"),
        (vec![service(&json!({"strategy": "hrw"}))], "services[0].strategy: no counterpart"),
        (vec![service(&json!({"nativeLB": true}))], "services[0].nativeLB: no counterpart"),
        (vec![service(&json!({"responseForwarding": {"flushInterval": "1ms"}}))], "services[0].responseForwarding"),
        (
            vec![service(&json!({"namespace": "b"}))],
            "services[0].namespace: note: b/a is in another namespace, which Traefik",
        ),
        (vec![service(&json!({"kind": "Pod"}))], "services[0].kind: mistake: Pod is no kind of a service"),
        (
            vec![empty, object("TraefikService", "t", &json!({}))],
            "TraefikService shop/t: spec: mistake: it has none of",
        ),
        (vec![no_entry], "spec.entryPoints: note: it names no entry point"),
        (vec![store.clone()], "spec.tls.store: no counterpart"),
        (vec![store], "spec.tls.domains: no counterpart"),
        (vec![route("Host(`a.test`)", &json!({"services": []}))], "services: note: it names no service"),
        (vec![route("Host(`a.test`)", &json!({"observability": {"metrics": false}}))], "routes[0].observability"),
        (vec![route("Host(`a.test`)", &json!({"kind": "Other"}))], "routes[0].kind: mistake: Other is no kind"),
        (vec![ingress(&web, &both)], "spec.defaultBackend: note: Traefik takes no default backend beside rules"),
    ] {
        assert_told(&migrated(&documents, &Options::default()), line);
    }
}

#[test]
fn a_wildcard_of_an_ingress_is_written_by_the_version_of_the_language() {
    let annotations = json!({"traefik.ingress.kubernetes.io/router.entrypoints": "web"});
    let document = ingress(&annotations, &to_service("*.a.test", &json!({"number": 80})));
    for syntax in [Syntax::V2, Syntax::V3] {
        let migration = migrated(std::slice::from_ref(&document), &Options { syntax, ..Options::default() });
        assert_eq!(answered(&migration, "GET http://x.a.test/"), "shop/a:80 /", "{syntax:?}");
        assert_eq!(answered(&migration, "GET http://x.y.a.test/"), "none", "{syntax:?}");
    }
}

#[test]
fn what_others_read_of_an_object_is_told_where_it_becomes_a_route() {
    let name = "external-dns.alpha.kubernetes.io/target";
    let mut of_route = route("Host(`a.test`)", &json!({}));
    of_route["metadata"]["annotations"] = json!({name: "x.test"});
    let line = format!("IngressRoute shop/r: {name}: note: who reads this annotation");
    assert_told(&migrated(&[of_route], &Options::default()), &line);
    let plain = ingress(&json!({name: "x.test"}), &to_service("b.test", &json!({"number": 80})));
    assert!(migrated(std::slice::from_ref(&plain), &Options::default()).remarks.is_empty(), "it stays where it is");
    let shared = migrated(&[plain, route("Host(`b.test`)", &json!({}))], &Options::default());
    assert_told(&shared, &format!("Ingress shop/i: {name}: note: who reads this annotation"));
}

#[test]
fn a_file_of_many_documents_is_read_whole_and_a_file_of_routes_that_is_too_long_is_told() {
    let named = |number: usize| {
        let mut document = route(&format!("Host(`h{number}.test`)"), &json!({}));
        document["metadata"]["name"] = json!(format!("r{number}"));
        document
    };
    let documents: Vec<Value> = (0..1500).map(named).collect();
    let migration = migrated(&documents, &Options::default());
    assert!(migration.remarks.is_empty(), "{:?}", migration.remarks.first());
    assert!(migration.routes.contains("h1499.test"));
    // One that is for all hosts is written for each.
    let wide = |number: usize| {
        let mut document = route(&format!("PathPrefix(`/{number}`)"), &json!({}));
        document["metadata"]["name"] = json!(format!("w{number}"));
        document
    };
    let long: Vec<Value> = (0..250).map(wide).chain(documents).collect();
    assert_told(&migrated(&long, &Options::default()), "routes.yaml: mistake: the file of routes has");
}

#[test]
fn a_guarded_rule_that_cannot_be_said_leaves_its_hosts_closed() {
    let guard = object("Middleware", "m", &json!({"ipAllowList": {"sourceRange": ["10.0.0.0/8"]}}));
    let wide = route("Host(`a.test`)", &json!({}));
    let guarded = |rule: &str, middlewares: &Value| {
        let mut document = route(rule, &json!({"middlewares": middlewares}));
        document["metadata"]["name"] = json!("guarded");
        let documents = [document, guard.clone(), wide.clone()];
        let migration = migrated(&documents, &Options::default());
        assert!(migration.has_mistakes());
        answered(&migration, "GET http://a.test/x/y @10.0.0.1")
    };
    let by = json!([{"name": "m"}]);
    // The expression is Traefik's alone; Headers is of the other version of the language.
    assert_eq!(guarded("Host(`a.test`) && PathRegexp(`\\Q/x\\E`)", &by), "refused 503");
    assert_eq!(guarded("Host(`a.test`) && PathPrefix(`/x`) && Headers(`X`, `1`)", &by), "refused 503");
    assert_eq!(guarded("Host(`a.test`) && PathPrefix(`/y`) && Headers(`X`, `1`)", &by), "shop/a:80 /x/y");
    assert_eq!(guarded("Host(`a.test`) && Headers(`X`, `1`)", &json!([])), "shop/a:80 /x/y", "nothing guarded it");
    assert_eq!(guarded("PathRegexp(`\\Q/x\\E`)", &by), "shop/a:80 /x/y", "it is not known whose it is");
    let annotations = json!({
        "traefik.ingress.kubernetes.io/router.entrypoints": "web",
        "traefik.ingress.kubernetes.io/router.pathmatcher": "PathRegexp",
        "traefik.ingress.kubernetes.io/router.middlewares": "shop-m@kubernetescrd",
    });
    let backend = json!({"service": {"name": "a", "port": {"number": 80}}});
    let paths = json!([{"path": "\\Q/x\\E", "pathType": "ImplementationSpecific", "backend": backend}]);
    let spec = json!({"rules": [{"host": "a.test", "http": {"paths": paths}}]});
    let migration = migrated(&[ingress(&annotations, &spec), guard, wide], &Options::default());
    assert_eq!(answered(&migration, "GET http://a.test/x @10.0.0.1"), "refused 503");
}

#[test]
fn an_object_that_no_api_server_takes_is_left_out_and_opens_nothing() {
    let user = route("Host(`a.test`)", &json!({"middlewares": [{"name": "m"}]}));
    for (spec, field) in [
        (
            json!({"ipAllowList": {"sourceRange": "10.0.0.0/8"}}),
            "spec.ipAllowList.sourceRange: mistake: it should be a list of texts",
        ),
        (
            json!({"headers": {"customRequestHeaders": {"X-A": 5}}}),
            "customRequestHeaders: mistake: it should be a map of texts",
        ),
        (json!({"headers": {"stsSeconds": "60"}}), "spec.headers.stsSeconds: mistake: it should be a whole number"),
        (json!({"chain": {"middlewares": ["x"]}}), "spec.chain.middlewares[0]: mistake: it should be a map of fields"),
        (
            json!({"redirectScheme": {"scheme": "https", "permanent": "yes"}}),
            "permanent: mistake: it should be true or false",
        ),
        (json!({"compress": []}), "spec.compress: mistake: it should be a map of fields"),
        (json!([]), "Middleware shop/m: spec: mistake: it should be a map of fields"),
    ] {
        let migration = migrated(&[user.clone(), object("Middleware", "m", &spec)], &Options::default());
        assert_told(&migration, field);
        assert_eq!(answered(&migration, "GET http://a.test/ @10.0.0.1"), "refused 403");
    }
    for (more, field) in [
        (json!({"middlewares": {"name": "m"}}), "spec.routes[0].middlewares: mistake: it should be a list"),
        (json!({"middlewares": ["m"]}), "spec.routes[0].middlewares[0]: mistake: it should be a map of fields"),
        (json!({"priority": "10"}), "spec.routes[0].priority: mistake: it should be a whole number"),
        (
            json!({"services": [{"name": "a", "port": [80]}]}),
            "services[0].port: mistake: it should be a number or a name",
        ),
    ] {
        let migration = migrated(&[route("Host(`a.test`)", &more)], &Options::default());
        assert_told(&migration, field);
        assert_eq!(answered(&migration, "GET http://a.test/"), "none");
    }
}

#[test]
fn what_leads_to_itself_many_times_comes_to_an_end() {
    let many = vec![json!({"name": "m"}); 20];
    let chain = object("Middleware", "m", &json!({"chain": {"middlewares": many}}));
    let migration = migrated(&[route("Host(`a.test`)", &json!({"middlewares": many})), chain], &Options::default());
    assert_eq!(answered(&migration, "GET http://a.test/"), "refused 403");
    let many = vec![json!({"name": "t", "kind": "TraefikService"}); 20];
    let service = object("TraefikService", "t", &json!({"weighted": {"services": many}}));
    let migration = migrated(&[route("Host(`a.test`)", &json!({"services": many})), service], &Options::default());
    assert_eq!(answered(&migration, "GET http://a.test/"), "refused 503");
}

#[test]
fn a_small_share_of_nested_weights_is_none_that_is_taken_away() {
    let services = json!([{"name": "a", "port": 80, "weight": 100_000}, {"name": "b", "port": 80, "weight": 1}, {"name": "c", "port": 80, "weight": 0}]);
    let weighted = object("TraefikService", "t", &json!({"weighted": {"services": services}}));
    let user = route("Host(`a.test`)", &json!({"services": [{"name": "t", "kind": "TraefikService"}]}));
    let migration = migrated(&[user, weighted], &Options::default());
    assert_eq!(answered(&migration, "GET http://a.test/"), "shop/a:80*1000,shop/b:80*1,shop/c:80*0 /");
}
