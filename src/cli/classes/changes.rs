//! Classes made, changed and taken away through the management API.

use crate::api::{ClassChange, ClassTouch};
use crate::cli::client::Client;
use crate::cli::exit::Failure;
use crate::cli::globals::Globals;
use crate::cli::output::{self, Format};
use crate::cli::table::{Cell, Table, Tone};
use crate::config::{self, ConfigErrors};
use crate::model::ClassName;
use serde::Serialize;
use std::path::Path;

/// Applies every class of a file, one after the other; all of them were read and checked before the first is sent.
pub(super) async fn apply(globals: &Globals, file: &Path, dry_run: bool, format: Format) -> Result<(), Failure> {
    let wrong = |errors: ConfigErrors| Failure::usage(errors.to_string());
    let text = config::read_file(file).map_err(wrong)?;
    let classes = config::read_classes(&text, &file.display().to_string()).map_err(wrong)?;
    let client = Client::new(globals)?;
    let (mut changed, mut outcome) = (Changed::default(), Ok(()));
    for class in classes {
        let name = class.metadata.name.unwrap_or_default();
        match client.put::<ClassChange>(&format!("/classes/{name}?dryRun={dry_run}"), &class.spec).await {
            Ok(change) => changed.items.push(change),
            Err(failure) => {
                outcome = Err(failure);
                break;
            }
        }
    }
    // What was done before one failed is told all the same.
    if outcome.is_ok() || !changed.items.is_empty() {
        output::result(format, &changed, |changed, _| changed.items.iter().try_for_each(tell))?;
    }
    outcome
}

/// What became of each class of a file, as far as it went.
#[derive(Default, Serialize)]
struct Changed {
    items: Vec<ClassChange>,
}

fn tell(change: &ClassChange) -> Result<(), Failure> {
    let (name, count) = (&change.class.name, change.touches.len());
    let verb = if change.dry_run { "would touch" } else { "touches" };
    output::line(&format!("class {name}: it {verb} {count} environments"))?;
    if count == 0 {
        return Ok(());
    }
    let mut table = Table::new(["ENVIRONMENT", "PODS", "LIFE", "HOST", "BREAKS"]);
    for touch in &change.touches {
        table.row(row(touch));
    }
    output::table(&table, false)
}

fn row(touch: &ClassTouch) -> [Cell; 5] {
    let pods = match (touch.restarts, touch.scales) {
        (true, true) => "made anew, scaled",
        (true, false) => "made anew",
        (false, true) => "scaled",
        (false, false) => "",
    };
    let host = touch.host.as_ref().map(|host| {
        let side = |host: &Option<String>| host.clone().unwrap_or_else(|| "(none)".to_owned());
        format!("{} → {}", side(&host.from), side(&host.to))
    });
    [
        touch.name.as_str().into(),
        pods.into(),
        if touch.lives { "another" } else { "" }.into(),
        host.unwrap_or_default().into(),
        Cell::toned(touch.breaks.join("; "), Tone::Bad),
    ]
}

/// Takes a class away.
pub(super) async fn delete(globals: &Globals, name: &ClassName, format: Format) -> Result<(), Failure> {
    Client::new(globals)?.delete(&format!("/classes/{name}")).await?;
    let gone = serde_json::json!({"name": name.as_str(), "state": "deleted"});
    output::result(format, &gone, |_, _| {
        output::remark(&format!("The class {name} is gone."));
        Ok(())
    })
}
