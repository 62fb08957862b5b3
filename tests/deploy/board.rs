//! The Grafana board shows metrics that exist.

use super::helm::{root, template};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn every_panel_asks_for_metrics_that_doorstep_has() {
    let board = std::fs::read_to_string(root().join("deploy/grafana/doorstep.json")).unwrap();
    let board: Value = serde_json::from_str(&board).unwrap();
    let files = std::fs::read_dir(root().join("src/telemetry/metrics")).unwrap();
    let source: String = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let known: BTreeSet<&str> = source.split('"').filter(|text| text.starts_with("doorstep_")).collect();
    let mut ids = BTreeSet::new();
    for panel in board["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is its own");
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title}: a sentence");
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let names = metrics(expression);
            assert!(!names.is_empty(), "{title}: {expression}");
            for name in names {
                let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
                assert!(known.contains(histogram.unwrap_or(name)), "{title}: there is no metric {name}");
            }
        }
    }
    assert!(ids.len() > 10, "{} panels", ids.len());
}

fn metrics(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("doorstep_")).collect()
}

#[test]
fn the_chart_brings_the_board_as_it_is() {
    let objects = template(&["grafana.enabled=true"]);
    let map = super::helm::find(&objects, "ConfigMap/doorstep-grafana");
    let file = std::fs::read_to_string(root().join("deploy/grafana/doorstep.json")).unwrap();
    assert_eq!(map["data"]["doorstep.json"].as_str().unwrap().trim_end(), file.trim_end());
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
}
