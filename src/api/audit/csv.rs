//! Records as CSV (RFC 4180), safe to be opened in a spreadsheet: a cell that would be taken for a formula begins with an apostrophe.

use super::view::AuditRecord;

/// The first line.
pub(super) const HEADER: &str = "seq,step,call,at,subject,name,through,origin,request,action,path,user,class,result,\
    status,said,before,after,previous,hash\r\n";

/// The line of a record.
pub(super) fn line(record: &AuditRecord) -> String {
    let optional = |text: &Option<String>| text.clone().unwrap_or_default();
    let json = |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    let cells = [
        record.seq.to_string(),
        record.step.clone(),
        record.call.clone(),
        record.at.clone(),
        record.subject.clone(),
        record.name.clone(),
        record.through.clone(),
        record.origin.clone(),
        record.request.clone(),
        record.action.clone(),
        record.path.clone(),
        optional(&record.user),
        optional(&record.class),
        optional(&record.result),
        record.status.map(|status| status.to_string()).unwrap_or_default(),
        optional(&record.said),
        json(&record.before),
        json(&record.after),
        record.previous.clone(),
        record.hash.clone(),
    ];
    format!("{}\r\n", cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(","))
}

fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_cell_is_neither_a_formula_nor_two_cells() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a,\"b\"\nc"), "\"a,\"\"b\"\"\nc\"");
        assert_eq!(cell("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        for begun in ["=1", "+1", "-1", "@x"] {
            assert_eq!(cell(begun), format!("'{begun}"));
        }
    }
}
