//! The identity file is read again when it changes, and a mistake in it shuts nobody out.

use crate::harness::{Doorstep, texts, wait_for};
use std::path::Path;

/// Replaced, as editors and mounts do it.
fn write(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

fn lets_in(doorstep: &Doorstep, origin: &str) -> bool {
    let url = format!("http://{}/api/v1/login", doorstep.api);
    let answer = texts(&doorstep.curl_output(&["-i", "-H", &format!("Origin: {origin}"), &url])).0;
    answer.to_lowercase().contains(&format!("access-control-allow-origin: {origin}"))
}

fn mistakes(doorstep: &Doorstep) -> Option<String> {
    let metrics = doorstep.curl(&[&format!("http://{}/metrics", doorstep.api)]);
    metrics.lines().find_map(|line| line.strip_prefix("doorstep_identity_file_mistakes ")).map(str::to_owned)
}

#[test]
fn a_changed_file_holds_from_then_on_and_one_with_mistakes_changes_nothing() {
    let (red, blue) = ("https://red.example.com", "https://blue.example.com");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("identity.yaml");
    write(&file, &format!("origins: ['{red}']\n"));
    let doorstep = Doorstep::start_in(folder.path(), &["--identity", file.to_str().unwrap()]);
    assert!(lets_in(&doorstep, red) && !lets_in(&doorstep, blue));
    assert_eq!(mistakes(&doorstep).as_deref(), Some("0"));

    write(&file, &format!("origins: ['{blue}']\n"));
    wait_for("the changed file", || if lets_in(&doorstep, blue) { Ok(()) } else { Err("not yet".to_owned()) });
    assert!(!lets_in(&doorstep, red), "what is not said any more does not hold any more");

    write(&file, &format!("origns: ['{red}']\nlimits: {{perCaller: none}}\n"));
    wait_for("the mistakes", || match mistakes(&doorstep) {
        Some(count) if count == "2" => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert!(lets_in(&doorstep, blue) && !lets_in(&doorstep, red), "what was read before stays");
    assert!(doorstep.log().contains("did you mean"), "{}", doorstep.log());

    write(&file, &format!("origins: ['{red}', '{blue}']\n"));
    wait_for("the mended file", || if lets_in(&doorstep, red) { Ok(()) } else { Err("not yet".to_owned()) });
    assert_eq!(mistakes(&doorstep).as_deref(), Some("0"));
    doorstep.stop();
}
