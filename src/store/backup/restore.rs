//! Restoring: the file is read to its end first, then all of it goes into the store in one transaction.

use super::{BackupInfo, End, FORMAT, Head, Line, TABLES, is_number, wrong};
use crate::store::open::{Access, Limits, connect};
use crate::store::sql::{Database, Mode, Pool, Value, values};
use crate::store::{Store, StoreError, StoreUrl, hex, instance, migrate};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

/// The longest line that is read.
const MOST_LINE: u64 = 16 * 1024 * 1024;

impl Store {
    /// What the file `path` holds, when it is whole.
    pub fn read_backup(path: &Path) -> Result<BackupInfo, StoreError> {
        let mut reader = Reader::open(path)?;
        while reader.next()?.is_some() {}
        Ok(reader.info())
    }

    /// Puts what the file `path` holds into the store at `url`, which has to be empty unless all that it holds is to be replaced.
    /// It must not be in use. An older schema is brought up to date afterwards.
    pub async fn restore(url: &StoreUrl, path: &Path, replace: bool) -> Result<(Self, BackupInfo), StoreError> {
        let info = Self::read_backup(path)?;
        let newest = migrate::newest();
        if info.schema > newest {
            return Err(StoreError::NewerSchema {
                place: path.display().to_string(),
                found: info.schema,
                known: newest,
            });
        }
        let (database, lock) = connect(url, url.to_string(), Access::Work, Limits::default()).await?;
        let before = migrate::up_to(&database, info.schema).await?;
        if before > info.schema {
            let why = format!("has schema {}, and the store has {before} already; give an empty store", info.schema);
            return Err(wrong(path, why));
        }
        load(&database, path, replace).await?;
        database.close().await;
        drop(lock);
        Ok((Self::open(url).await?, info))
    }
}

async fn load(database: &Database, path: &Path, replace: bool) -> Result<(), StoreError> {
    let mut transaction = database.begin(Mode::Write).await?;
    let alive = match database.pool {
        // The file's lock has told already that nobody uses it.
        Pool::Sqlite(_) => i64::MAX,
        Pool::Postgres(_) => instance::alive_since(database, &mut transaction).await?,
    };
    let rows = transaction
        .rows("SELECT (SELECT seq FROM audit_head), (SELECT COUNT(*) FROM instances WHERE seen >= $1)", values![alive])
        .await?;
    let number = |at| rows.first().and_then(|row| row.int(at).ok()).unwrap_or_default();
    if number(1) > 0 {
        return Err(StoreError::InUse { place: database.place.clone() });
    }
    if number(0) > 0 && !replace {
        let place = &database.place;
        let why = format!("was not restored: the store {place} is not empty; --replace gives up what it holds");
        return Err(wrong(path, why));
    }
    transaction.without_hurry().await?;
    for (table, _) in TABLES {
        transaction.execute(format!("DELETE FROM {table}"), values![]).await?;
    }
    let mut reader = Reader::open(path)?;
    while let Some(Line { table, columns, row }) = reader.next()? {
        let numbers: Vec<String> = (1..=columns.len()).map(|number| format!("${number}")).collect();
        let sql = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), numbers.join(", "));
        let row: Vec<Value> = columns.iter().zip(row).map(|(column, json)| value(column, &json)).collect();
        transaction.execute(sql, &row).await?;
    }
    transaction.commit().await
}

/// A backup that is read line by line. It is an error when the file is not whole, or names what no store has.
struct Reader<'a> {
    path: &'a Path,
    file: BufReader<File>,
    digest: Sha256,
    head: Head,
    rows: u64,
}

impl<'a> Reader<'a> {
    fn open(path: &'a Path) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(|error| wrong(path, format!("cannot be read: {error}")))?;
        let mut file = BufReader::new(file);
        let line = line(path, &mut file)?;
        let head: Head = serde_json::from_slice(&line).map_err(|_| unreadable(path))?;
        if head.doorstep != "backup" || head.format != FORMAT {
            return Err(wrong(path, "is a backup of a form that this version of doorstep does not know"));
        }
        Ok(Self { path, file, digest: Sha256::new_with_prefix(&line), head, rows: 0 })
    }

    fn info(&self) -> BackupInfo {
        BackupInfo { at: self.head.at, schema: self.head.schema, rows: self.rows }
    }

    /// The next row; none at the end of a file that is whole.
    fn next(&mut self) -> Result<Option<Line>, StoreError> {
        let bytes = line(self.path, &mut self.file)?;
        if let Ok(end) = serde_json::from_slice::<End>(&bytes) {
            let whole = end.rows == self.rows && end.sha256 == hex(&self.digest.clone().finalize());
            return if whole { Ok(None) } else { Err(wrong(self.path, "was changed: its digest is another one")) };
        }
        self.digest.update(&bytes);
        self.rows += 1;
        let line: Line = serde_json::from_slice(&bytes).map_err(|_| unreadable(self.path))?;
        let known = TABLES.iter().find(|(table, _)| *table == line.table);
        let fits = known.is_some_and(|(_, columns)| {
            line.columns.len() == line.row.len() && line.columns.iter().all(|column| columns.contains(&column.as_str()))
        });
        if fits {
            return Ok(Some(line));
        }
        let table = crate::model::shown(&line.table);
        Err(wrong(self.path, format!("has a row of the table {table}, which does not fit")))
    }
}

fn line(path: &Path, file: &mut BufReader<File>) -> Result<Vec<u8>, StoreError> {
    let mut line = Vec::new();
    let read = file.take(MOST_LINE).read_until(b'\n', &mut line);
    read.map_err(|error| wrong(path, format!("cannot be read: {error}")))?;
    if line.last() == Some(&b'\n') { Ok(line) } else { Err(wrong(path, "ends too early: it is not whole")) }
}

fn unreadable(path: &Path) -> StoreError {
    wrong(path, "is not a backup of doorstep, or was changed")
}

fn value(column: &str, json: &serde_json::Value) -> Value {
    if is_number(column) { Value::Int(json.as_i64()) } else { Value::Text(json.as_str().map(str::to_owned)) }
}
