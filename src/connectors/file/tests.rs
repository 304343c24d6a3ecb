//! Files read as they grow, are moved aside, cut and replaced; links and paths that climb out.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::connectors::{Account, Connector, FetchError, FetchLimits, Fetcher, Page};
use crate::domain::Timestamp;

struct Reader {
    connector: Connector,
    http: Fetcher,
    account: Account,
    continuation: Option<String>,
}

impl Reader {
    fn new(root: &Path, mut settings: Value) -> Reader {
        settings["kind"] = json!("file");
        let limits = FetchLimits { file_roots: vec![root.to_owned()], ..FetchLimits::default() };
        let vars = [("hat".to_owned(), "bob".to_owned())].into();
        Reader {
            connector: Connector::read(&settings, "c").expect("settings"),
            http: Fetcher::new(limits).expect("a fetcher"),
            account: Account { vars, ..Account::default() },
            continuation: None,
        }
    }

    fn page_at(&mut self, now: Timestamp) -> Result<Page, FetchError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let page = self.connector.page(&self.http, &self.account, self.continuation.as_deref(), now);
        let page = runtime.block_on(page)?;
        assert!(page.continuation.as_ref().is_some_and(|text| text.len() <= 4096));
        self.continuation = page.continuation.clone();
        Ok(page)
    }

    fn page(&mut self) -> Result<Page, FetchError> {
        self.page_at(Timestamp(0))
    }

    /// A round: all pages of it.
    fn round(&mut self) -> Vec<Value> {
        let mut all = Vec::new();
        for _ in 0..1000 {
            let page = self.page().expect("a page");
            all.extend(page.records.into_iter().map(|record| record.data));
            if !page.more {
                return all;
            }
        }
        panic!("a round without end");
    }
}

fn add(path: &Path, text: &str) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).expect("opens");
    file.write_all(text.as_bytes()).expect("written");
}

#[test]
fn lines_are_read_once_as_they_come_and_a_part_of_one_waits() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir(root.path().join("bob")).expect("a folder");
    let file = root.path().join("bob/log.jsonl");
    let mut reader = Reader::new(root.path(), json!({"path": "{hat}/log.jsonl", "format": "jsonl", "id": "n"}));
    assert_eq!(reader.page(), Err(FetchError::NotFound));
    add(&file, "\u{feff}{\"n\":1}\n\n{\"n\":2}\r\n{\"n\":");
    assert_eq!(reader.round(), [json!({"n": 1}), json!({"n": 2})]);
    assert!(reader.round().is_empty());
    add(&file, "3}\n{\"n\":4}");
    assert_eq!(reader.round(), [json!({"n": 3})]);
    // Nobody has written for long: the last line is whole.
    let late = Timestamp(4_000_000_000 * 1_000_000_000);
    assert_eq!(reader.page_at(late).expect("a page").records[0].id, "4");
    add(&file, "\n{\"n\":5}\n");
    assert_eq!(reader.round(), [json!({"n": 5})]);
}

#[test]
fn a_file_that_is_moved_aside_is_read_to_its_end_first() {
    let root = tempfile::tempdir().expect("a folder");
    let file = root.path().join("log.jsonl");
    let mut reader = Reader::new(root.path(), json!({"path": "log.jsonl", "format": "jsonl"}));
    add(&file, "{\"n\":1}\n");
    assert_eq!(reader.round().len(), 1);
    add(&file, "{\"n\":2}\n");
    fs::rename(&file, root.path().join("log.jsonl.1")).expect("moved");
    add(&file, "{\"n\":3}\n");
    assert_eq!(reader.round(), [json!({"n": 2}), json!({"n": 3})]);
    // Cut and written anew in its place, shorter and longer than before.
    fs::write(&file, "{\"m\":1}\n").expect("written");
    assert_eq!(reader.round(), [json!({"m": 1})]);
    fs::write(&file, "{\"k\":1}\n{\"k\":2}\n").expect("written");
    assert_eq!(reader.round(), [json!({"k": 1}), json!({"k": 2})]);
    assert!(reader.round().is_empty());
}

#[test]
fn a_folder_is_watched_page_by_page() {
    let root = tempfile::tempdir().expect("a folder");
    let text = |from: u32| (from..from + 25).map(|n| format!("{{\"n\":{n}}}\n")).collect::<String>();
    let settings = json!({"path": "day-*.jsonl", "format": "jsonl", "pageRecords": 10});
    let mut reader = Reader::new(root.path(), settings);
    assert!(reader.round().is_empty(), "no file is no fault where any number may be");
    add(&root.path().join("day-2.jsonl"), &text(100));
    add(&root.path().join("day-1.jsonl"), &text(0));
    add(&root.path().join("other.jsonl"), &text(500));
    let all = reader.round();
    assert_eq!(all.len(), 50);
    assert_eq!((&all[0], &all[25]), (&json!({"n": 0}), &json!({"n": 100})));
    add(&root.path().join("day-1.jsonl"), "{\"n\":25}\n");
    assert_eq!(reader.round(), [json!({"n": 25})], "an older file that grows is not passed over");
    for n in 0..100 {
        add(&root.path().join(format!("day-x{n}.jsonl")), "{}\n");
    }
    assert!(matches!(reader.page(), Err(FetchError::Refused(_))), "102 files may not fit into a continuation");
}

#[test]
fn no_link_and_no_path_leads_out_of_the_root() {
    let root = tempfile::tempdir().expect("a folder");
    let outside = tempfile::tempdir().expect("a folder");
    add(&outside.path().join("secret.jsonl"), "{\"s\":1}\n");
    symlink(outside.path(), root.path().join("bob")).expect("linked");
    symlink(outside.path().join("secret.jsonl"), root.path().join("a.jsonl")).expect("linked");
    let mut by_folder = Reader::new(root.path(), json!({"path": "{hat}/secret.jsonl", "format": "jsonl"}));
    assert!(matches!(by_folder.page(), Err(FetchError::Refused(_))));
    let mut by_file = Reader::new(root.path(), json!({"path": "a.jsonl", "format": "jsonl"}));
    assert_eq!(by_file.page(), Err(FetchError::NotFound));
    let mut by_pattern = Reader::new(root.path(), json!({"path": "*.jsonl", "format": "jsonl"}));
    assert!(by_pattern.round().is_empty());
    let mut by_value = Reader::new(root.path(), json!({"path": "{hat}/secret.jsonl", "format": "jsonl"}));
    let out = format!("../{}", outside.path().file_name().expect("a name").to_string_lossy());
    by_value.account.vars.insert("hat".into(), out);
    assert!(matches!(by_value.page(), Err(FetchError::Refused(_))));
    // A pipe would be waited for.
    rustix::fs::mknodat(rustix::fs::CWD, root.path().join("p.jsonl"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
        .expect("a pipe");
    let mut pipe = Reader::new(root.path(), json!({"path": "p.jsonl", "format": "jsonl"}));
    assert_eq!(pipe.page(), Err(FetchError::NotFound));
    let mut nowhere = Reader::new(root.path(), json!({"path": "x.jsonl", "format": "jsonl"}));
    nowhere.http = Fetcher::new(FetchLimits::default()).expect("a fetcher");
    assert!(matches!(nowhere.page(), Err(FetchError::Refused(_))), "without a root nothing is read");
}

#[test]
fn csv_has_a_header_quotes_and_numbers_as_banks_write_them() {
    let root = tempfile::tempdir().expect("a folder");
    let file = root.path().join("s.csv");
    let bank = "Konto;123\r\nDatum;Betrag;Text;Text;\r\n31.01.2026;-1.234,50;\"K\u{e4}se; \"\"gut\"\"\r\nzwei\";x;\r\n";
    let latin: Vec<u8> = bank.chars().map(|c| u8::try_from(u32::from(c)).expect("latin-1")).collect();
    fs::write(&file, latin).expect("written");
    let mut reader = Reader::new(
        root.path(),
        json!({
            "path": "s.csv", "format": "csv", "id": ["Datum", "Betrag"],
            "csv": {"delimiter": ";", "skipLines": 1, "encoding": "latin-1", "numbers": ["Betrag"], "decimal": ","},
            "timestamp": {"path": "Datum", "format": "%d.%m.%Y"}
        }),
    );
    let page = reader.page().expect("a page");
    let record = &page.records[0];
    assert_eq!(record.data["Betrag"], json!(-1234.5));
    assert_eq!(record.data["Text"], "K\u{e4}se; \"gut\"\r\nzwei");
    assert_eq!((&record.data["Text_4"], &record.data["_5"]), (&json!("x"), &json!("")));
    assert_eq!(record.at.expect("a time").to_string(), "2026-01-31T00:00:00Z");
    assert!(!page.more);
    add(&file, "01.02.2026;7;y;z;\r\n");
    assert_eq!(reader.round()[0]["Betrag"], 7);
}

#[test]
fn a_quote_within_a_field_is_a_character() {
    let root = tempfile::tempdir().expect("a folder");
    let text = "n,what,x\na,5\" pipe,b\nc,6\" pipe,d\n\"e\"\"\nf\",\"g\"h\"i,j\nk,\"\",l\n";
    add(&root.path().join("q.csv"), text);
    let mut reader = Reader::new(root.path(), json!({"path": "q.csv", "format": "csv"}));
    let row = |n: &str, what: &str, x: &str| json!({"n": n, "what": what, "x": x});
    let expected =
        [row("a", "5\" pipe", "b"), row("c", "6\" pipe", "d"), row("e\"\nf", "gh\"i", "j"), row("k", "", "l")];
    assert_eq!(reader.round(), expected);
    // A bare return ends a record for the CSV reader: not one of the two is taken silently.
    add(&root.path().join("r.csv"), "a,b\n1,2\r3,4\n5,6\n");
    let mut two = Reader::new(root.path(), json!({"path": "r.csv", "format": "csv", "onBadLine": "skip"}));
    let page = two.page().expect("a page");
    assert_eq!((page.records.len(), page.skipped), (1, 1));
}

#[test]
fn a_bad_line_stops_or_is_counted() {
    let root = tempfile::tempdir().expect("a folder");
    add(&root.path().join("a.csv"), "a,b\n1,2\nhunter2\n3,4\n");
    let mut strict = Reader::new(root.path(), json!({"path": "a.csv", "format": "csv"}));
    assert_eq!(strict.page().expect("what is before it").records.len(), 1);
    let told = strict.page().expect_err("the bad line").to_string();
    assert!(told.contains("byte 8") && !told.contains("hunter2"), "{told}");
    let mut lax = Reader::new(root.path(), json!({"path": "a.csv", "format": "csv", "onBadLine": "skip"}));
    let page = lax.page().expect("a page");
    assert_eq!((page.records.len(), page.skipped), (2, 1));
    add(&root.path().join("b.jsonl"), &"x".repeat(2 << 20));
    let mut long = Reader::new(root.path(), json!({"path": "b.jsonl", "format": "jsonl", "onBadLine": "skip"}));
    assert!(matches!(long.page(), Err(FetchError::TooLarge(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However a file comes, cut anywhere: each of its lines is read once, in order.
    #[test]
    fn every_line_comes_once(
        lines in proptest::collection::vec("[a-z\"]{0,12}", 1..40),
        cuts in proptest::collection::vec(1_usize..60, 1..12),
        page in 1_usize..9,
    ) {
        let root = tempfile::tempdir().expect("a folder");
        let file = root.path().join("l.jsonl");
        let text: String = lines.iter().map(|line| format!("{}\n", json!({ "l": line }))).collect();
        let settings = json!({"path": "l.jsonl", "format": "jsonl", "pageRecords": page});
        let mut reader = Reader::new(root.path(), settings);
        let mut read = Vec::new();
        let mut at = 0;
        for cut in cuts.iter().cycle() {
            let end = (at + cut).min(text.len());
            add(&file, &text[at..end]);
            at = end;
            read.extend(reader.round());
            if at == text.len() {
                break;
            }
        }
        let expected: Vec<Value> = lines.iter().map(|line| json!({ "l": line })).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300), csv: bool) {
        let root = tempfile::tempdir().expect("a folder");
        fs::write(root.path().join("x"), &bytes).expect("written");
        let format = if csv { "csv" } else { "jsonl" };
        let mut reader = Reader::new(root.path(), json!({"path": "x", "format": format, "onBadLine": "skip"}));
        let _ = reader.page();
    }
}
