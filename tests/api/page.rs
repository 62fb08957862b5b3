//! Each `curl` line of `docs/api.md` is executed, in the order of the page, and each call of the description has one.

use crate::support::Doorstep;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md");

/// The commands of the page's `sh` blocks, with their continued lines joined.
fn commands() -> Vec<String> {
    let text = std::fs::read_to_string(PAGE).unwrap();
    let mut commands: Vec<String> = Vec::new();
    let (mut inside, mut continued) = (false, false);
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
            continue;
        }
        if !inside || line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (part, more) = line.strip_suffix('\\').map_or((line, false), |part| (part, true));
        match commands.last_mut().filter(|_| continued) {
            Some(command) => command.push_str(part),
            None => commands.push(part.to_owned()),
        }
        continued = more;
    }
    commands.retain(|command| command.contains("curl ") || command.contains("=${"));
    commands
}

/// What a line says of its answer: `# 202`; any success, where it says nothing.
fn expected(command: &str) -> Option<u16> {
    command.rsplit_once("# ").and_then(|(_, comment)| comment.split_whitespace().next()?.parse().ok())
}

#[test]
fn every_curl_line_of_the_page_does_what_the_page_says() {
    let doorstep = Doorstep::start();
    let token = std::fs::read_to_string(doorstep.folder.join("api-token")).unwrap();
    let commands = commands();
    assert!(commands.len() >= 30, "{}", commands.len());
    let mut wrong = Vec::new();
    // One shell for the whole page: what a line keeps, a later one uses.
    let mut script = String::from("cd \"$FOLDER\"\n");
    for (number, command) in commands.iter().enumerate() {
        if !command.contains("curl ") {
            script.push_str(&format!("{command}; echo 200 >status.{number}\n"));
            continue;
        }
        if let Some((name, _)) = command.split_once("=$(curl ") {
            // What is kept in a variable has to be something.
            script.push_str(&format!("{command} && [ -n \"${name}\" ] && echo 200 >status.{number}\n"));
            continue;
        }
        // A status of its own for each, however the line itself prints.
        let told = format!("curl -sS --max-time 60 -o out.{number} -w '%{{http_code}}' ");
        script.push_str(&format!("{{ {}\n}} >status.{number} 2>error.{number}\n", command.replacen("curl ", &told, 1)));
    }
    let ran = Command::new("bash")
        .args(["-c", &script])
        .env("FOLDER", &doorstep.folder)
        .env("API", format!("http://{}/api/v1", doorstep.api))
        .env("AUTH", format!("Authorization: Bearer {}", token.trim()))
        .output()
        .unwrap();
    for (number, command) in commands.iter().enumerate() {
        let read =
            |name: &str| std::fs::read_to_string(doorstep.folder.join(format!("{name}.{number}"))).unwrap_or_default();
        let status: u16 = read("status").trim().parse().unwrap_or_default();
        let right = expected(command).map_or((200..300).contains(&status), |expected| expected == status);
        if !right {
            wrong.push(format!("{command}\n  answered {status}: {}{}", read("out"), read("error")));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), String::from_utf8_lossy(&ran.stderr));
    doorstep.stop();
}

#[test]
fn every_call_of_the_description_stands_on_the_page() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let shown: BTreeSet<(String, String)> = commands().iter().filter_map(|command| call(command)).collect();
    let mut missing = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            let stands = shown.iter().any(|(known, place)| *known == method && fits(path, place));
            if !stands {
                missing.push(format!("{method} {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{} shows no curl line for:\n{}", Path::new(PAGE).display(), missing.join("\n"));
}

/// Method and path of a line.
fn call(command: &str) -> Option<(String, String)> {
    let place = command.split("$API").nth(1)?.split(['"', '\'', ' ', '?', ')']).next()?;
    let method = command.split("-X ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or("GET");
    Some((method.to_owned(), format!("/api/v1{place}")))
}

/// Whether a path is one of a template.
fn fits(template: &str, path: &str) -> bool {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    loop {
        match (template.next(), path.next()) {
            (None, None) => return true,
            (Some(part), Some(given)) => {
                let same = match part.split_once('{') {
                    None => part == given,
                    Some((before, rest)) => {
                        let after = rest.split_once('}').map_or("", |(_, after)| after);
                        let verb = given.split_once(':').map_or("", |(_, verb)| verb);
                        given.starts_with(before) && after.trim_start_matches(':') == verb
                    }
                };
                if !same {
                    return false;
                }
            }
            (Some(_), None) | (None, Some(_)) => return false,
        }
    }
}

#[test]
fn a_line_is_found_in_its_template() {
    assert!(fits("/api/v1/environments/{user}/{class}:restart", "/api/v1/environments/haimaz/integration:restart"));
    assert!(!fits("/api/v1/environments/{user}/{class}", "/api/v1/environments/haimaz/integration:restart"));
    assert!(!fits("/api/v1/environments/{user}/{class}/pods", "/api/v1/environments/haimaz/integration"));
    assert!(fits("/api/v1/environments:delete", "/api/v1/environments:delete"));
}
