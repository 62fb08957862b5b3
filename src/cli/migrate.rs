//! `doorstep migrate traefik -f FILE…`: Traefik's objects as a file of routes.

use super::exit::{Exit, Failure};
use super::output;
use super::text::printable;
use crate::migrate::traefik::{self, Options, Syntax};
use crate::migrate::{Migration, SourceFile};
use clap::{Args, Subcommand, ValueEnum};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The longest file of manifests: what kubectl writes of a large cluster is longer than any configuration of ours.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Translate IngressRoute, Middleware, TraefikService, TLSStore and Ingress
    Traefik(Arguments),
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A file of manifests, a folder of them, or - for standard input; may be given several times
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    filename: Vec<PathBuf>,
    /// The folder that gets routes.yaml and ingress.yaml, or - for standard output
    #[arg(long, value_name = "DIR", default_value = "-")]
    to: PathBuf,
    /// The form of what is said: lines on standard error, or one JSON document on standard output
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Report,
    /// The language of rules that say nothing of it
    #[arg(long, value_name = "VERSION", default_value = "v3")]
    syntax: Version,
    /// Whether an entry point speaks TLS; web and websecure are known
    #[arg(long, value_name = "NAME=http|https")]
    entrypoint: Vec<String>,
    /// The IngressClass of Traefik
    #[arg(long, value_name = "NAME", default_value = "traefik")]
    from_class: String,
    /// The IngressClass of Doorstep
    #[arg(long, value_name = "NAME", default_value = "doorstep")]
    to_class: String,
    /// Fail when something has no counterpart
    #[arg(long)]
    strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Report {
    /// A line for each thing without a counterpart
    Text,
    /// Routes, Ingress objects and remarks in one document
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Version {
    /// Of Traefik 2
    V2,
    /// Of Traefik 3
    V3,
}

pub(super) fn run(Command::Traefik(arguments): &Command) -> Result<(), Failure> {
    let mut files = Vec::new();
    for path in &arguments.filename {
        read(path, &mut files)?;
    }
    let migration = traefik::migrate(&files, &options(arguments)?);
    write(arguments, &migration)?;
    let lines = migration.remarks.len();
    if migration.has_mistakes() {
        return Err(Failure::usage("some of the manifests have mistakes; the rest was translated"));
    }
    if arguments.strict && lines > 0 {
        return Err(Failure::new(Exit::Failed, format!("{lines} remarks, and --strict was given")));
    }
    Ok(())
}

fn options(arguments: &Arguments) -> Result<Options, Failure> {
    let mut options = Options {
        syntax: match arguments.syntax {
            Version::V2 => Syntax::V2,
            Version::V3 => Syntax::V3,
        },
        ingress_class: arguments.from_class.clone(),
        our_class: arguments.to_class.clone(),
        ..Options::default()
    };
    for text in &arguments.entrypoint {
        let tls = match text.split_once('=') {
            Some((_, "http")) => false,
            Some((_, "https")) => true,
            _ => return Err(Failure::usage(format!("--entrypoint {text} is not NAME=http or NAME=https"))),
        };
        let name = text.split('=').next().unwrap_or_default();
        options.entry_points.insert(name.to_owned(), tls);
    }
    Ok(options)
}

/// Reads a file, the manifests of a folder in the order of their names, or standard input.
fn read(path: &Path, files: &mut Vec<SourceFile>) -> Result<(), Failure> {
    let wrong = |said: String| Failure::usage(format!("{}: {said}", path.display()));
    if path == Path::new("-") {
        let text = text(std::io::stdin()).map_err(wrong)?;
        files.push(SourceFile { name: "standard input".to_owned(), text });
        return Ok(());
    }
    if !path.is_dir() {
        let file = std::fs::File::open(path).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
        let text = text(file).map_err(wrong)?;
        files.push(SourceFile { name: path.display().to_string(), text });
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(|error| wrong(error.to_string()))?;
    let is_manifest =
        |path: &PathBuf| path.extension().is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_manifest).collect();
    found.sort();
    if found.is_empty() {
        return Err(wrong("it holds no .yaml, .yml or .json file".to_owned()));
    }
    found.iter().filter(|path| path.is_file()).try_for_each(|path| read(path, files))
}

/// What a source holds, unless that is too much: nothing may be left out in silence.
fn text(source: impl std::io::Read) -> Result<String, String> {
    let mut text = String::new();
    let read = source.take(MAX_BYTES + 1).read_to_string(&mut text);
    let bytes = read.map_err(|error| format!("it cannot be read: {error}"))?;
    match bytes as u64 > MAX_BYTES {
        true => Err(format!("it has more than {MAX_BYTES} bytes; give it in parts, of a namespace each")),
        false => Ok(text),
    }
}

fn write(arguments: &Arguments, migration: &Migration) -> Result<(), Failure> {
    let to_standard_output = arguments.to == Path::new("-");
    if !to_standard_output {
        write_files(&arguments.to, migration)?;
    }
    if arguments.output == Report::Json {
        let report = serde_json::json!({
            "routes": migration.routes,
            "ingresses": migration.ingresses,
            "remarks": migration.remarks,
        });
        return output::line(&format!("{report:#}"));
    }
    if to_standard_output {
        output::raw(migration.routes.as_bytes())?;
        if !migration.ingresses.is_empty() {
            // Two documents of two kinds: the file of routes has to be taken out before it is used.
            let split = if migration.routes.is_empty() { "" } else { "---\n" };
            output::raw(format!("{split}{}", migration.ingresses).as_bytes())?;
        }
    }
    migration.remarks.iter().for_each(|remark| output::remark(&printable(&remark.to_string())));
    Ok(())
}

fn write_files(folder: &Path, migration: &Migration) -> Result<(), Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::new(Exit::Failed, format!("{} cannot be written: {error}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (name, text) in [("routes.yaml", &migration.routes), ("ingress.yaml", &migration.ingresses)] {
        if !text.is_empty() {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
            output::remark(&format!("wrote {}", path.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_refused_and_never_cut() {
        assert_eq!(text(std::io::repeat(b'a').take(5 << 20)).unwrap().len(), 5 << 20);
        let told = text(std::io::repeat(b'a')).unwrap_err();
        assert!(told.starts_with("it has more than 67108864 bytes"), "{told}");
        assert!(text(&b"\xff"[..]).unwrap_err().starts_with("it cannot be read"));
    }
}
