//! Callers by client certificates. Whether a certificate is of a trusted authority was decided by the handshake.

use super::grants::{Rules, Teams};
use super::{Caller, Refused, Through};
use crate::model::Clock;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate, X509Name};

/// The most alternative names of a certificate that are looked at.
const MAX_NAMES: usize = 100;

/// By which certificates somebody is known.
pub struct Certificates {
    rules: Rules,
    teams: Arc<Teams>,
    clock: Clock,
}

impl Certificates {
    /// Those to which `rules` grant something.
    pub fn new(rules: Rules, teams: Arc<Teams>, clock: Clock) -> Self {
        Self { rules, teams, clock }
    }

    /// Who has the certificate `der`. It is asked at each call: a connection may outlive it.
    pub fn caller(&self, der: &[u8]) -> Result<Caller, Refused> {
        let unknown = |said: &str| Refused::Unknown(said.to_owned());
        let (_, certificate) =
            X509Certificate::from_der(der).map_err(|_| unknown("the client certificate cannot be read"))?;
        let end = Timestamp::from_second(certificate.validity().not_after.timestamp())
            .map_err(|_| unknown("the client certificate has no end that is a time"))?;
        if end <= self.clock.now() {
            return Err(Refused::Unknown(format!("the client certificate has expired at {end}")));
        }
        let claims = claims(&certificate, der);
        self.rules.caller(&claims, "certificate", Through::Certificate, &self.teams, Some(end))
    }
}

/// What a certificate says, as claims: `sub` (the subject's whole name), `cn`, `o`, `ou`, `dns`, `uri`, `email` and
/// `sha256`, its fingerprint. All but `sub` and `sha256` are lists.
fn claims(certificate: &X509Certificate<'_>, der: &[u8]) -> Map<String, Value> {
    let subject = certificate.subject();
    let mut names = (Vec::new(), Vec::new(), Vec::new());
    if let Ok(Some(alternative)) = certificate.subject_alternative_name() {
        for name in alternative.value.general_names.iter().take(MAX_NAMES) {
            match name {
                GeneralName::DNSName(name) => names.0.push((*name).to_owned()),
                GeneralName::URI(uri) => names.1.push((*uri).to_owned()),
                GeneralName::RFC822Name(address) => names.2.push((*address).to_owned()),
                // Not ours to match exhaustively: other kinds say nothing that rules ask for.
                _ => {}
            }
        }
    }
    let fingerprint: String = Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect();
    let common_name = parts(subject, X509Name::iter_common_name);
    let mut claims = Map::new();
    for (name, value) in [
        ("sub", json!(subject.to_string())),
        // A user id is taken from one text: a certificate with two common names is of neither.
        ("cn", if let [only] = common_name.as_slice() { json!(only) } else { json!(common_name) }),
        ("o", json!(parts(subject, X509Name::iter_organization))),
        ("ou", json!(parts(subject, X509Name::iter_organizational_unit))),
        ("dns", json!(names.0)),
        ("uri", json!(names.1)),
        ("email", json!(names.2)),
        ("sha256", json!(fingerprint)),
    ] {
        claims.insert(name.to_owned(), value);
    }
    claims
}

fn parts<'n, 'x: 'n, I>(name: &'n X509Name<'x>, of: impl Fn(&'n X509Name<'x>) -> I) -> Vec<String>
where
    I: Iterator<Item = &'n x509_parser::prelude::AttributeTypeAndValue<'x>>,
{
    of(name).filter_map(|part| part.as_str().ok()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Condition, Grant, Role, Scopes, UserRule, Wanted, whole_pattern};
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    fn der(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["laptop.example.com".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "haimaz");
        params.distinguished_name.push(DnType::OrganizationalUnitName, "Testers");
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn known(claim: &str, value: &str) -> Certificates {
        let when = vec![Condition { claim: claim.to_owned(), wanted: Wanted::OneOf(vec![value.to_owned()]) }];
        let user = Some(UserRule { claim: "cn".to_owned(), pattern: whole_pattern("([a-z0-9]+)").unwrap() });
        let grants = vec![Grant { role: Role::User, scopes: Scopes::All, team: None, when }];
        Certificates::new(Rules { user, grants, ..Rules::default() }, Arc::default(), Clock::system())
    }

    #[test]
    fn a_certificate_says_who_somebody_is() {
        let der = der(|params| params.subject_alt_names.push(SanType::URI("spiffe://a/b".try_into().unwrap())));
        for (claim, value) in [("ou", "Testers"), ("dns", "laptop.example.com"), ("uri", "spiffe://a/b")] {
            let caller = known(claim, value).caller(&der).unwrap();
            assert_eq!(caller.user.as_ref().map(ToString::to_string).as_deref(), Some("haimaz"), "{claim}");
            assert!(caller.subject.starts_with("certificate/") && caller.subject.contains("CN=haimaz"));
        }
        assert!(matches!(known("ou", "Others").caller(&der), Err(Refused::NoRole(_))));
    }

    #[test]
    fn one_with_two_common_names_is_of_nobody_and_one_that_ended_is_refused() {
        let two = der(|params| params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), "mallory"));
        let user = known("ou", "Testers").caller(&two).map(|caller| caller.user);
        assert!(user.is_ok_and(|user| user.is_none()));
        let old = der(|params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
        let said = known("ou", "Testers").caller(&old).unwrap_err().to_string();
        assert!(said.contains("has expired"), "{said}");
        assert!(known("ou", "Testers").caller(b"garbage").is_err());
    }
}
