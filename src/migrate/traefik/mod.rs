//! Traefik: IngressRoute, Middleware, TraefikService, TLSStore, TLSOption, and Ingress with Traefik's annotations.
//!
//! Traefik asks all routers in the order of their priorities; we look for the host first. So that the same router answers,
//! each rule is written for all hosts of the set that it may take, with its priority.

mod emit;
mod expressions;
mod headers;
mod ingress;
mod ingressroute;
mod matching;
mod middleware;
mod objects;
mod rule;
mod service;
mod shape;
#[cfg(test)]
mod tests;
mod tls;

pub use matching::Syntax;

use super::{Migration, Remark, Severity, SourceFile};
use matching::Hosts;
use objects::Objects;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What is said of a router that names no entry point and no `tls`.
const NO_ENTRY_POINT: &str = "it names no entry point, so it takes HTTP alone here; if Traefik's default entry points speak TLS, name both (web, websecure)";

/// What is said of annotations on an object that becomes routes.
const OTHERS: &str = "who reads this annotation (cert-manager, external-dns) does not find it at a route of the file; say it there another way";

/// What the files do not say.
#[derive(Debug, Clone)]
pub struct Options {
    /// The language of rules that say nothing of it.
    pub syntax: Syntax,
    /// Traefik's IngressClass.
    pub ingress_class: String,
    /// Ours.
    pub our_class: String,
    /// Which entry points speak TLS.
    pub entry_points: BTreeMap<String, bool>,
}

impl Default for Options {
    fn default() -> Self {
        let names = [("web", false), ("http", false), ("websecure", true), ("https", true)];
        Self {
            syntax: Syntax::V3,
            ingress_class: "traefik".to_owned(),
            our_class: "doorstep".to_owned(),
            entry_points: names.into_iter().map(|(name, tls)| (name.to_owned(), tls)).collect(),
        }
    }
}

/// Which schemes a router takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Schemes {
    Http,
    Https,
    Both,
}

/// A router, translated.
#[derive(Debug, Clone)]
struct Route {
    /// Where it comes from, for people.
    origin: String,
    hosts: Hosts,
    wanted: Map<String, Value>,
    schemes: Schemes,
    priority: i64,
    /// Whether it keeps clients out.
    guarded: bool,
    filters: Vec<Value>,
    backends: Vec<Value>,
}

impl Options {
    /// What a router takes. One with `tls` takes HTTPS alone; without, it takes what its entry points are for, and HTTP
    /// where it names none. `unknown` hears of entry points that are not known; they count as plain ones.
    fn schemes(&self, names: &[&str], has_tls: bool, mut unknown: impl FnMut(&str)) -> Schemes {
        if has_tls {
            return Schemes::Https;
        }
        let (mut http, mut https) = (names.is_empty(), false);
        for name in names {
            match self.entry_points.get(*name) {
                Some(true) => https = true,
                Some(false) => http = true,
                None => {
                    unknown(name);
                    http = true;
                }
            }
        }
        match (http, https) {
            (_, false) => Schemes::Http,
            (false, true) => Schemes::Https,
            (true, true) => Schemes::Both,
        }
    }
}

/// Translates the objects of `files`.
pub fn migrate(files: &[SourceFile], options: &Options) -> Migration {
    let mut remarks = Vec::new();
    let objects = Objects::read(files, &mut remarks);
    let mut routes = ingressroute::all(&objects, options, &mut remarks);
    let mut kept = Vec::new();
    let (needy, mut plain): (Vec<_>, Vec<_>) =
        ingress::all(&objects, options, &mut remarks).into_iter().partition(|ingress| ingress.needs_routes);
    for ingress in needy {
        remarks.extend(ingress.remarks.into_iter().chain(ingress.of_routes));
        routes.extend(ingress.routes);
    }
    // One that shares a host with the file's routes goes there too, or Traefik's order between them would be lost.
    loop {
        let (shared, rest): (Vec<_>, Vec<_>) =
            plain.into_iter().partition(|ingress| emit::share_hosts(&ingress.routes, &routes));
        plain = rest;
        if shared.is_empty() {
            break;
        }
        for ingress in shared {
            remarks.extend(ingress.remarks.into_iter().chain(ingress.of_routes));
            routes.extend(ingress.routes);
        }
    }
    kept.extend(plain.iter().map(|ingress| ingress::of_our_class(ingress.object, &options.our_class)));
    remarks.extend(plain.into_iter().flat_map(|ingress| ingress.remarks));
    tls::remarks(&objects, &mut remarks);
    for (kind, message) in [
        ("Middleware", "no route of these files uses it; if an entry point does, put it to the routes that it is for"),
        ("TraefikService", "no route of these files leads to it"),
    ] {
        remarks.extend(objects.unused(kind).into_iter().map(|object| object.remark(Severity::Note, "", message)));
    }
    let routes = emit::routes(&routes, &mut remarks);
    if routes.len() as u64 > crate::config::MAX_BYTES {
        let message = format!(
            "the file of routes has {} bytes, and a gateway reads at most {}; leave to Ingress what needs nothing of Traefik's",
            routes.len(),
            crate::config::MAX_BYTES
        );
        let (file, object, field) = ("routes.yaml".to_owned(), String::new(), String::new());
        remarks.push(Remark { severity: Severity::Mistake, file, object, field, message });
    }
    remarks.sort_by(|a, b| (&a.file, b.severity).cmp(&(&b.file, a.severity)));
    remarks.dedup();
    Migration { routes, ingresses: emit::documents(&kept), remarks }
}
