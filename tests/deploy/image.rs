//! The image's build file: what no container engine is needed for to see.

use super::helm::root;
use std::process::Command;

fn dockerfile() -> String {
    std::fs::read_to_string(root().join("deploy/image/Dockerfile")).unwrap()
}

#[test]
fn the_image_has_no_shell_and_no_root() {
    let text = dockerfile();
    let last = text.rsplit_once("\nFROM ").unwrap().1;
    assert!(last.starts_with("scratch\n"), "the last stage begins with nothing");
    assert!(!last.lines().any(|line| line.starts_with("RUN ")), "there is no shell to run anything with");
    assert!(last.contains("\nUSER 65532:65532\n") && last.contains("\nENTRYPOINT [\"/doorstep\"]\n"));
    let images = text.lines().filter_map(|line| line.strip_prefix("FROM "));
    for image in images.filter(|image| *image != "scratch") {
        assert!(image.contains(':') && !image.contains(":latest"), "{image} has a version");
    }
}

#[test]
fn the_image_is_built_by_the_projects_rust_in_its_version() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let rust = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"')).unwrap();
    assert!(dockerfile().contains(&format!(" rust:{rust}-")), "rust {rust}");
    assert!(dockerfile().contains(&format!("\nARG VERSION={}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_build_takes_only_what_it_knows() {
    let run = |arguments: &[&str]| {
        let output = Command::new(root().join("deploy/image/build")).args(arguments).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (built, said) = run(&["s390x", "/dev/null"]);
    assert!(!built && said.contains("there is no architecture s390x; there are amd64 and arm64"), "{said}");
    let (built, said) = run(&[]);
    assert!(!built && said.contains("usage: deploy/image/build"), "{said}");
}
