//! Tests of certificates and keys of every shape.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, RsaKeySize, date_time_ymd};

/// A self-signed certificate for `names`, and its key, as PEM.
pub(crate) fn pem(names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// The same, for the time from the beginning of one year to that of another.
pub(crate) fn pem_of_years(names: &[&str], (from, to): (i32, i32)) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// A PEM block.
fn block(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// What a PKCS#8 key wraps (RFC 5208, section 5): the last octet string of it.
fn unwrapped(pkcs8: &[u8]) -> Vec<u8> {
    let from = |der: &[u8]| match der[1] {
        length @ 0..=0x7f => (2, usize::from(length)),
        0x81 => (3, usize::from(der[2])),
        _ => (4, usize::from(der[2]) << 8 | usize::from(der[3])),
    };
    // The sequence, then the version, then the algorithm.
    let mut rest = &pkcs8[from(pkcs8).0..];
    for _ in 0..2 {
        let (head, length) = from(rest);
        rest = &rest[head + length..];
    }
    let (head, length) = from(rest);
    rest[head..head + length].to_vec()
}

fn read(chain: &str, key: &str) -> Result<Pair, BadPair> {
    Pair::from_pem("test".to_owned(), chain.as_bytes(), key.as_bytes())
}

#[test]
fn a_chain_and_its_key_are_read() {
    let (chain, key) = pem(&["A.Example.com", "*.b.example.com"]);
    let pair = read(&chain, &key).unwrap();
    let names: Vec<String> = pair.names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a.example.com", "*.b.example.com"]);
    assert!(pair.not_before < pair.not_after);
    assert!(!format!("{pair:?}").contains("PRIVATE"));
}

#[test]
fn garbage_is_told_apart() {
    let ((chain, key), (_, other)) = (pem(&["a.test"]), pem(&["a.test"]));
    assert_eq!(read("", &key).unwrap_err(), BadPair::NoCertificate);
    assert_eq!(read("garbage", &key).unwrap_err(), BadPair::NoCertificate);
    let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(read(cut, &key).unwrap_err(), BadPair::Certificate);
    assert_eq!(read(&chain, "").unwrap_err(), BadPair::NoKey);
    assert_eq!(read(&chain, &other).unwrap_err(), BadPair::Mismatch);
    let unknown = block("PRIVATE KEY", &[0, 0, 0]);
    assert_eq!(read(&chain, &unknown).unwrap_err(), BadPair::KeyKind);
    for encrypted in [
        block("ENCRYPTED PRIVATE KEY", &[0, 0, 0]),
        key.replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1),
    ] {
        assert_eq!(read(&chain, &encrypted).unwrap_err(), BadPair::EncryptedKey, "{encrypted}");
    }
    let wide: Vec<u8> = chain.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide = [&[0xff, 0xfe], wide.as_slice()].concat();
    assert_eq!(Pair::from_pem(String::new(), &wide, key.as_bytes()).unwrap_err(), BadPair::Utf16);
    assert_eq!(read(&chain.repeat(17), &key).unwrap_err(), BadPair::LongChain);
}

#[test]
fn a_certificate_that_no_client_can_ask_for_says_what_it_is_for() {
    let told = |names: &[&str], common: &str| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common);
        let key = KeyPair::generate().unwrap();
        read(&params.self_signed(&key).unwrap().pem(), &key.serialize_pem()).unwrap_err().to_string()
    };
    assert!(told(&[], "a.test").contains("alternative name, but the common name \"a.test\"; have it"));
    assert!(told(&["10.0.0.1", "2001:db8::1"], "x").contains("the address 10.0.0.1, the address 2001:db8::1"));
    assert!(told(&["a.*.test", "f*.a.test"], "x").contains("but \"a.*.test\", \"f*.a.test\", the common name \"x\""));
}

#[test]
fn keys_of_every_kind_and_form_are_read() {
    let self_signed =
        |key: &KeyPair| CertificateParams::new(vec!["a.test".to_owned()]).unwrap().self_signed(key).unwrap().pem();
    for (algorithm, label) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, Some("EC PRIVATE KEY")),
        (&rcgen::PKCS_ECDSA_P384_SHA384, Some("EC PRIVATE KEY")),
        (&rcgen::PKCS_ECDSA_P521_SHA512, Some("EC PRIVATE KEY")),
        (&rcgen::PKCS_ED25519, None),
    ] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let chain = self_signed(&key);
        read(&chain, &key.serialize_pem()).unwrap();
        if let Some(label) = label {
            // As openssl ecparam -genkey writes it, with its parameters before.
            let sec1 = block("EC PARAMETERS", &[6, 0]) + &block(label, &unwrapped(key.serialized_der()));
            read(&chain, &sec1).unwrap_or_else(|error| panic!("{algorithm:?}: {error}"));
        }
    }
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let chain = self_signed(&key);
    read(&chain, &key.serialize_pem()).unwrap();
    read(&chain, &block("RSA PRIVATE KEY", &unwrapped(key.serialized_der()))).unwrap();
}

#[test]
fn text_around_and_within_makes_no_difference() {
    let (chain, key) = pem(&["a.test"]);
    let (other_chain, other_key) = pem(&["b.test"]);
    let marked = |text: &str| format!("\u{feff}{text}");
    let described = |text: &str| format!("Bag Attributes\n    friendlyName: a\nsubject=CN = a\n{text}\n");
    let indented = |text: &str| text.replace('\n', "\n    ").replacen("-----BEGIN", "    -----BEGIN", 1);
    let forms: [&dyn Fn(&str) -> String; 5] =
        [&marked, &described, &indented, &|text| text.replace('\n', "\r\n"), &|text| text.replace('\n', "\r")];
    for form in forms {
        let pair = read(&form(&chain), &form(&key)).unwrap();
        assert_eq!(pair.names[0].to_string(), "a.test");
        // The first certificate counts, whatever is before it.
        assert_eq!(read(&form(&(chain.clone() + &other_chain)), &key).unwrap().names[0].to_string(), "a.test");
    }
    // All in one file, and a key too many.
    let all = [other_key.as_str(), &key, &chain].concat();
    assert_eq!(read(&all, &all).unwrap().names[0].to_string(), "a.test");
}

#[test]
fn a_chain_in_any_order_is_served_with_each_issuer_after_what_it_issued() {
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params, KeyPair::generate().unwrap())
    };
    let ((root, root_key), (middle, middle_key)) = (authority("root"), authority("middle"));
    let root_pem = root.self_signed(&root_key).unwrap();
    let middle_pem = middle.signed_by(&middle_key, &Issuer::from_params(&root, &root_key)).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
    let server_pem = server.signed_by(&key, &Issuer::from_params(&middle, &middle_key)).unwrap();
    let right = [server_pem.der(), middle_pem.der(), root_pem.der()];
    let [a, b, c] = [server_pem.pem(), middle_pem.pem(), root_pem.pem()];
    for chain in [[&a, &b, &c], [&c, &b, &a], [&a, &c, &b], [&b, &a, &c]] {
        let pair = read(&chain.map(String::as_str).concat(), &key.serialize_pem()).unwrap();
        assert!(pair.key.cert.iter().eq(right), "{} certificates", pair.key.cert.len());
    }
    // The authority's key before the server's.
    let keys = [middle_key.serialize_pem(), key.serialize_pem()].concat();
    let pair = read(&[c.as_str(), &b, &a].concat(), &keys).unwrap();
    assert!(pair.key.cert.iter().eq(right));
    // One that has no place stays, at the end.
    let (stranger, _) = pem(&["b.test"]);
    let pair = read(&[stranger.as_str(), &b, &a].concat(), &key.serialize_pem()).unwrap();
    assert!(pair.key.cert.len() == 3 && pair.key.cert.iter().take(2).eq(right.into_iter().take(2)));
}

#[test]
fn a_hundred_names_are_served_and_those_that_are_none_are_passed_over() {
    let mut names: Vec<String> = (0..100).map(|number| format!("h{number}.a.test")).collect();
    names.extend(["f*.b.test".to_owned(), "xn--bcher-kva.test".to_owned(), "10.0.0.1".to_owned()]);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (chain, key) = pem(&names);
    let pair = read(&chain, &key).unwrap();
    assert_eq!((pair.names.len(), pair.names[100].to_string().as_str()), (101, "xn--bcher-kva.test"));
}

#[test]
fn a_wildcard_covers_one_label() {
    let wildcard = CertificateName::parse("*.a.test").unwrap();
    let covers = |host: &str| wildcard.covers(&host.parse().unwrap());
    assert!(covers("x.a.test") && !covers("a.test") && !covers("y.x.a.test"));
}
