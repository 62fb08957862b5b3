//! `doorstep classes [NAME]`, and `doorstep classes --check|--apply|--delete`.

mod changes;

use super::client::Client;
use super::exit::Failure;
use super::globals::Globals;
use super::output::{self, Format};
use super::pages;
use super::table::{Cell, Table, Tone};
use crate::api::{ClassList, ClassView};
use crate::config::{self, ConfigErrors};
use crate::model::ClassName;
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Show this class
    name: Option<String>,
    /// Check a file of EnvironmentClass manifests instead, without a manager: all of its mistakes at once
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "apply", "delete"])]
    check: Option<PathBuf>,
    /// Make or change the classes of a file of EnvironmentClass manifests
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "delete"])]
    apply: Option<PathBuf>,
    /// With --apply: only tell which environments would be touched
    #[arg(long, requires = "apply")]
    dry_run: bool,
    /// Take this class away; refused while there are environments of it
    #[arg(long, requires = "name")]
    delete: bool,
    /// The form of the result
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

pub(super) async fn run(globals: &Globals, arguments: &Arguments) -> Result<(), Failure> {
    if let Some(file) = &arguments.check {
        return check(file, arguments.output);
    }
    if let Some(file) = &arguments.apply {
        return changes::apply(globals, file, arguments.dry_run, arguments.output).await;
    }
    match &arguments.name {
        Some(name) => {
            let name = name.parse::<ClassName>().map_err(|error| Failure::usage(error.to_string()))?;
            if arguments.delete {
                return changes::delete(globals, &name, arguments.output).await;
            }
            let class: ClassView = Client::new(globals)?.get(&format!("/classes/{name}")).await?;
            output::result(arguments.output, &class, |class, _| show(class))
        }
        None => {
            let classes: ClassList = pages::all(&Client::new(globals)?, "/classes", "").await?;
            output::result(arguments.output, &classes, list)
        }
    }
}

fn check(file: &Path, format: Format) -> Result<(), Failure> {
    let wrong = |errors: ConfigErrors| Failure::usage(errors.to_string());
    let text = config::read_file(file).map_err(wrong)?;
    let classes = config::read_classes(&text, &file.display().to_string()).map_err(wrong)?;
    let names: Vec<String> = classes.into_iter().filter_map(|class| class.metadata.name).collect();
    let found = serde_json::json!({"file": file.display().to_string(), "classes": names});
    output::result(format, &found, |_, _| {
        output::line(&format!("{}: no mistakes; it holds {}", file.display(), names.join(", ")))
    })
}

fn list(classes: &ClassList, wide: bool) -> Result<(), Failure> {
    if classes.items.is_empty() {
        output::remark("There are no classes.");
        return Ok(());
    }
    let extra = if wide { &["REPLICAS", "DESCRIPTION"][..] } else { &[] };
    let mut table = Table::new(["NAME", "HOST", "PARAMETERS", "USABLE"].iter().chain(extra).copied());
    for class in &classes.items {
        let names: Vec<&str> = class.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        let mut row: Vec<Cell> =
            vec![class.name.as_str().into(), class.host_here.as_str().into(), names.join(",").into(), usable(class)];
        if wide {
            row.extend([class.replicas.to_string().into(), class.description.as_str().into()]);
        }
        table.row(row);
    }
    output::table(&table, wide)
}

fn usable(class: &ClassView) -> Cell {
    if class.usable { Cell::toned("yes", Tone::Good) } else { Cell::toned("no", Tone::Bad) }
}

fn show(class: &ClassView) -> Result<(), Failure> {
    let usable = class.message.as_ref().map_or_else(|| "yes".to_owned(), |message| format!("no: {message}"));
    let facts = [
        ("Name", class.name.clone()),
        ("Description", class.description.clone()),
        ("Host", class.host_here.clone()),
        ("Port", class.port.to_string()),
        ("Replicas", class.replicas.to_string()),
        ("Usable", usable),
    ];
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        output::line(&format!("{:<13}{}", format!("{name}:"), super::text::printable(value)))?;
    }
    output::line("\nParameters:")?;
    let mut table = Table::new(["NAME", "REQUIRED", "DEFAULT", "PATTERN", "DESCRIPTION"]);
    for parameter in &class.parameters {
        table.row([
            parameter.name.as_str().into(),
            if parameter.required { "yes" } else { "no" }.into(),
            parameter.default.as_deref().unwrap_or("-").into(),
            parameter.pattern.as_str().into(),
            parameter.description.as_str().into(),
        ]);
    }
    output::table(&table, false)
}
