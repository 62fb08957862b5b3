//! The development authority: made at the first start, kept in the data folder, trusted by whoever chooses to.

use super::TlsError;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CERTIFICATE_FILE: &str = "authority.pem";
const KEY_FILE: &str = "authority-key.pem";
/// Ten years, as a development authority is installed once.
const AUTHORITY_DAYS: i64 = 3650;
/// Browsers refuse server certificates that last longer than 398 days.
const SERVER_DAYS: i64 = 365;

/// A certificate authority of this data folder alone.
pub struct Authority {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    certificate_path: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("certificate_path", &self.certificate_path).finish_non_exhaustive()
    }
}

impl Authority {
    /// Reads the authority of `folder`, or makes one there: `authority.pem`, and its key readable by the owner alone.
    pub fn load_or_create(folder: &Path) -> Result<Self, TlsError> {
        let (certificate_path, key_path) = (folder.join(CERTIFICATE_FILE), folder.join(KEY_FILE));
        if !key_path.exists() {
            create(&certificate_path, &key_path)?;
        }
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|source| TlsError::File { path: path.to_owned(), action: "read", source })
        };
        let damaged = |path: &Path, reason: &dyn std::fmt::Display| TlsError::Damaged {
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        let certificate_pem = read(&certificate_path)?;
        let key = KeyPair::from_pem(&read(&key_path)?).map_err(|e| damaged(&key_path, &e))?;
        let certificate = rustls::pki_types::pem::PemObject::from_pem_slice(certificate_pem.as_bytes());
        let certificate: CertificateDer<'static> = certificate.map_err(|e| damaged(&certificate_path, &e))?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|e| damaged(&certificate_path, &e))?;
        Ok(Self { certificate, certificate_pem, certificate_path, issuer })
    }

    /// The authority's certificate, to be given to those who shall trust it.
    pub fn certificate_path(&self) -> &Path {
        &self.certificate_path
    }

    /// The same as PEM text.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A server certificate for `names`: host names, wildcards (`*.int.localhost`) or IP addresses.
    pub fn issue(&self, names: &[&str]) -> Result<Arc<CertifiedKey>, TlsError> {
        let failed =
            |reason: &dyn std::fmt::Display| TlsError::Issue { names: names.join(", "), reason: reason.to_string() };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let common_name = names.first().cloned().unwrap_or_default();
        let mut params = CertificateParams::new(names.clone()).map_err(|e| failed(&e))?;
        params.distinguished_name.push(DnType::CommonName, common_name.chars().take(64).collect::<String>());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, SERVER_DAYS);
        let key = KeyPair::generate().map_err(|e| failed(&e))?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|e| failed(&e))?;
        let chain = vec![certificate.der().clone(), self.certificate.clone()];
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        CertifiedKey::from_der(chain, key, &super::provider()).map(Arc::new).map_err(|e| failed(&e))
    }
}

/// From yesterday, as clocks differ, for `days`.
fn set_validity(params: &mut CertificateParams, days: i64) {
    let day = |offset: i64| {
        let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let date = today.saturating_add(jiff::Span::new().days(offset));
        let [month, day] = [date.month(), date.day()].map(|part| u8::try_from(part).unwrap_or(1));
        date_time_ymd(i32::from(date.year()), month, day)
    };
    (params.not_before, params.not_after) = (day(-1), day(days));
}

fn create(certificate_path: &Path, key_path: &Path) -> Result<(), TlsError> {
    let failed = |reason: &dyn std::fmt::Display| TlsError::Issue {
        names: "the authority itself".to_owned(),
        reason: reason.to_string(),
    };
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Doorstep development authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, AUTHORITY_DAYS);
    let key = KeyPair::generate().map_err(|e| failed(&e))?;
    let certificate = params.self_signed(&key).map_err(|e| failed(&e))?;
    write(certificate_path, 0o644, &certificate.pem())?;
    // The key last: it is what tells a whole authority from one whose making was interrupted.
    write(key_path, 0o600, &key.serialize_pem())
}

/// Writes a file that is there whole or not at all.
fn write(path: &Path, mode: u32, text: &str) -> Result<(), TlsError> {
    let failed = |source| TlsError::File { path: path.to_owned(), action: "written", source };
    let unfinished = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    let mut file = options.open(&unfinished).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(&unfinished, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_made_once_and_its_key_is_the_owners() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let first = Authority::load_or_create(folder.path()).unwrap();
        let second = Authority::load_or_create(folder.path()).unwrap();
        assert_eq!(first.certificate_pem(), second.certificate_pem());
        let mode = fs::metadata(folder.path().join(KEY_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(second.issue(&["*.int.localhost", "127.0.0.1"]).is_ok());
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        Authority::load_or_create(folder.path()).unwrap();
        fs::write(folder.path().join(KEY_FILE), "garbage").unwrap();
        let said = Authority::load_or_create(folder.path()).unwrap_err().to_string();
        assert!(said.contains("authority-key.pem") && said.contains("move it"), "{said}");
    }
}
