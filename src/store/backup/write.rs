//! Making a backup, and checking a store.

use super::{BackupInfo, Checked, End, FORMAT, Head, Line, TABLES, wrong};
use crate::store::sql::{Mode, Row, Value, values};
use crate::store::{Store, StoreError, audit, hex, migrate};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

impl Store {
    /// Writes all of it to the new file `path`, as it is at one moment. The file holds secrets of webhooks and is its owner's alone.
    pub async fn backup(&self, path: &Path, at: Timestamp) -> Result<BackupInfo, StoreError> {
        let io = |error: io::Error| wrong(path, format!("cannot be written: {error}"));
        if path.exists() {
            return Err(wrong(path, "is there already; give a new name"));
        }
        let draft = path.with_extension(format!("unfinished.{}", std::process::id()));
        let options = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
        let mut writer = Writer { file: BufWriter::new(options.map_err(io)?), digest: Sha256::new(), rows: 0 };
        let schema = match self.write_all(&mut writer, at, io).await {
            Ok(schema) => schema,
            Err(error) => {
                let _nothing_is_left = fs::remove_file(&draft);
                return Err(error);
            }
        };
        let rows = writer.rows;
        writer.end().and_then(|()| fs::rename(&draft, path)).map_err(io)?;
        Ok(BackupInfo { at, schema, rows })
    }

    async fn write_all(
        &self,
        writer: &mut Writer,
        at: Timestamp,
        io: impl Fn(io::Error) -> StoreError + Copy,
    ) -> Result<i64, StoreError> {
        let database = &self.inner.database;
        let mut transaction = database.begin(Mode::Read).await?;
        transaction.without_hurry().await?;
        let schema = migrate::found(database, &mut transaction).await?;
        writer.line(&Head { doorstep: "backup".to_owned(), format: FORMAT, schema, at }).map_err(io)?;
        for (table, columns) in TABLES {
            let sql = format!("SELECT {} FROM {table}", columns.join(", "));
            let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
            let write = |row: Row| {
                let row = row.0.into_iter().map(json).collect();
                writer.rows += 1;
                writer.line(&Line { table: (*table).to_owned(), columns: columns.clone(), row }).map_err(io)
            };
            transaction.each(sql, write).await?;
        }
        transaction.commit().await?;
        Ok(schema)
    }

    /// Goes through all of it: the file, the schema, every table, and the chain of the audit.
    pub async fn check(&self, noted: Option<&audit::ChainPlace>) -> Result<Checked, StoreError> {
        let database = &self.inner.database;
        let mut transaction = database.begin(Mode::Read).await?;
        let schema = migrate::found(database, &mut transaction).await?;
        let mut tables = Vec::new();
        for (table, _) in TABLES {
            let rows = transaction.rows(format!("SELECT COUNT(*) FROM {table}"), values![]).await?;
            let count = rows.first().map(|row| row.int(0)).transpose().map_err(|error| database.error(&error))?;
            tables.push(((*table).to_owned(), count.unwrap_or_default()));
        }
        transaction.commit().await?;
        let audit = self.audit().verify(noted).await?;
        Ok(Checked { place: self.place().to_owned(), schema, tables, audit })
    }
}

fn json(value: Value) -> serde_json::Value {
    match value {
        Value::Int(value) => value.into(),
        Value::Text(value) => value.into(),
    }
}

struct Writer {
    file: BufWriter<File>,
    digest: Sha256,
    rows: u64,
}

impl Writer {
    fn line(&mut self, line: &impl serde::Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.digest.update(&text);
        self.file.write_all(&text)
    }

    fn end(mut self) -> io::Result<()> {
        let end = End { rows: self.rows, sha256: hex(&self.digest.clone().finalize()) };
        self.line(&end)?;
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}
