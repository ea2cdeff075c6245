use std::path::Path;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource};

use super::excerpt::Excerpt;
use super::*;
use crate::finding::{RequirementRef, RowSaid};
use crate::rule::{PH001, PH002, PH101, PH102, PH203, PH301, PH614};

const PLAIN: HumanOptions = HumanOptions { color: false, links: false, max_findings: 100 };

fn print(sources: &SourceMap, findings: &[Finding], format: Format, options: &HumanOptions) -> String {
    let file = FileSummary {
        path: "edge.rules".into(),
        dialect: "iptables",
        rules: 3,
        way: Some("forwarded traffic".into()),
    };
    let summary = RunSummary { files: vec![file], unselected: 1, ignored: 2, ..RunSummary::default() };
    let report = Report { sources, findings, summary: &summary, views: &[] };
    let mut out = Vec::new();
    report.write(format, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn human(sources: &SourceMap, findings: &[Finding]) -> String {
    print(sources, findings, Format::Human, &PLAIN)
}

/// A map with one file `edge.rules`.
fn one(text: &str) -> SourceMap {
    let mut sources = SourceMap::new();
    sources.add("edge.rules", text.as_bytes().to_vec()).unwrap();
    sources
}

/// The span of the first occurrence of a text.
fn find(sources: &SourceMap, text: &str) -> Span {
    let (file, at) = sources.files().find_map(|(_, file)| Some((file, file.text.find(text)?))).unwrap();
    Span::new(file.base + at as u32, file.base + (at + text.len()) as u32)
}

fn numbered(count: usize) -> String {
    (1..=count).map(|n| format!("-A INPUT -p tcp --dport {n} -j ACCEPT\n")).collect()
}

fn fault(sources: &SourceMap, text: &str) -> Finding {
    Finding::of(&PH101, find(sources, text), "`q931` of mcu-1 is blocked").label("drops it")
}

#[test]
fn a_whole_finding() {
    let mut sources = one(":FORWARD DROP [0:0]\n-A FORWARD -p udp -j ACCEPT\n-A FORWARD -j DROP\nCOMMIT\n");
    sources.add("objects.rules", b"a\nb 1720\n".to_vec()).unwrap();
    let mut finding = fault(&sources, "-A FORWARD -j DROP")
        .related(find(&sources, "-A FORWARD -p udp"), "would have allowed it")
        .related(find(&sources, "1720"), "the port")
        .notice("H.323 calls cannot be set up, which people see as a call that rings for ever and then ends with no reason given.")
        .help("Put this before the rule that blocks:\n    -A FORWARD -d 10.1.2.10 -p tcp --dport 1720 -j ACCEPT\n    -A FORWARD -x\nThen load it.");
    finding.depends_on = vec!["set `black`".into()];
    finding.requirements.push(RequirementRef {
        device: "mcu-1".into(),
        product: "scopia-elite-5200".into(),
        table: "1-1".into(),
        row: None,
        service: "q931".into(),
        transport: "tcp".into(),
        ports: vec![[1720, 1720], [3000, 3010]],
        blocked: vec![[1720, 1720]],
        said: RowSaid::default(),
    });
    insta::assert_snapshot!(human(&sources, &[finding.clone()]));
    insta::assert_snapshot!(print(&sources, &[finding], Format::Json, &PLAIN));
}

#[test]
fn far_labels_give_two_snippets() {
    let sources = one(&numbered(1200));
    let finding = fault(&sources, "--dport 500 ").related(find(&sources, "--dport 1100 "), "shadowed");
    insta::assert_snapshot!(human(&sources, &[finding]));
}

/// Near labels look exactly as miette's own source prints them.
#[test]
fn near_labels_are_those_of_the_built_in_source() {
    let text = numbered(12);
    let sources = one(&text);
    let file = sources.files().next().unwrap().1;
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_links(false);
    for (a, b) in [(3, 3), (3, 4), (3, 5), (3, 6), (2, 1), (12, 11), (1, 12)] {
        let near: Vec<Span> = [a, b].map(|n| find(&sources, &format!("--dport {n} "))).to_vec();
        // Labels in between keep the built-in source, too, at one snippet.
        let between = (a.min(b)..a.max(b)).map(|n| find(&sources, &format!("tcp --dport {n} -j")));
        let spans: Vec<Span> = near.into_iter().chain(between).collect();
        let render = |labels: Vec<LabeledSpan>, ours: Option<Excerpt>| {
            let report = miette::Report::new(MietteDiagnostic::new("message").with_labels(labels));
            let report = match ours {
                Some(excerpt) => report.with_source_code(excerpt),
                None => report.with_source_code(NamedSource::new("edge.rules", text.clone())),
            };
            let mut out = String::new();
            handler.render_report(&mut out, report.as_ref()).unwrap();
            out
        };
        let label = |at: usize, len: usize| LabeledSpan::new(Some("here".into()), at, len);
        let plain = spans.iter().map(|s| label(s.start as usize, (s.end - s.start) as usize)).collect();
        let (excerpt, shown) = Excerpt::new(file, &spans);
        let ours = shown.iter().map(|s| label(s.offset(), s.len())).collect();
        assert_eq!(render(ours, Some(excerpt)), render(plain, None), "labels on lines {a} and {b}");
    }
}

#[test]
fn long_lines_are_cut_around_the_labels() {
    let text = format!(
        "short\n{} NEEDLE {} OTHER {}\nlast\n",
        "ä ".repeat(5_000_000),
        "y ".repeat(900),
        "z".repeat(900)
    );
    let sources = one(&text);
    let finding = fault(&sources, "NEEDLE").related(find(&sources, "OTHER"), "the other one");
    insta::assert_snapshot!(human(&sources, &[finding]));
    let whole = Finding::of(&PH001, sources.files().next().unwrap().1.span(), "all of it");
    let shown = human(&sources, &[whole.label("everything")]);
    assert!(shown.len() < 2000, "{} bytes", shown.len());
    assert!(shown.contains("everything"), "{shown}");
}

#[test]
fn odd_places_neither_panic_nor_lose_their_label() {
    for text in
        ["", "\n", "a", "a\n", "a\n\n", "a\r\nb\r\n", "\n\n\n", "ä", "a\tb\n", "\u{1b}[31mred\0\u{202e}\n"]
    {
        let sources = one(text);
        for start in 0..=text.len() as u32 + 2 {
            for end in start..=text.len() as u32 + 2 {
                let finding = Finding::of(&PH001, Span::new(start, end), "odd").label("here");
                let shown = human(&sources, &[finding]);
                assert!(!shown.contains("Failed"), "{text:?} {start}..{end}: {shown}");
                let blank = text.bytes().all(|b| b == b'\n');
                assert!(blank || shown.contains("here"), "{text:?} {start}..{end}: {shown}");
                assert!(!shown.contains(['\u{1b}', '\0', '\u{202e}', '\r']), "{shown:?}");
            }
        }
    }
}

#[test]
fn a_label_over_many_lines_marks_its_first() {
    let sources = one(&numbered(40));
    let span = find(&sources, "--dport 3 ").to(find(&sources, "--dport 30 "));
    let shown = human(&sources, &[Finding::of(&PH001, span, "much").label("all of this")]);
    assert!(
        shown.contains("all of this") && shown.contains("--dport 4 ") && !shown.contains("--dport 6 "),
        "{shown}"
    );
}

#[test]
fn many_findings_are_capped_at_the_most_severe() {
    let sources = one(&numbered(9));
    let mut findings: Vec<Finding> = (1..=9).map(|n| fault(&sources, &format!("--dport {n} "))).collect();
    for finding in &mut findings[..7] {
        finding.severity = Severity::Info;
    }
    let shown = print(
        &sources,
        &findings,
        Format::Human,
        &HumanOptions { color: false, links: false, max_findings: 2 },
    );
    assert_eq!(shown.matches("blocked-mandatory-port").count(), 2, "{shown}");
    assert_eq!(shown.matches("error[PH101]").count(), 2, "{shown}");
    assert!(shown.contains("and 7 more findings"), "{shown}");
    assert!(
        shown.ends_with(
            "2 errors, 7 infos; 1 file with 3 rules read; 1 lint rule not selected; 2 ignored by the site file\n"
        ),
        "{shown}"
    );
}

#[test]
fn a_fault_that_a_file_repeats_hides_no_other() {
    let mut sources = one(&numbered(9));
    sources.add("z.rules", b"x".to_vec()).unwrap();
    let mut findings: Vec<Finding> = (1..=9).map(|n| fault(&sources, &format!("--dport {n} "))).collect();
    let span = Some(find(&sources, "x"));
    findings.push(Finding::of(&PH102, find(&sources, "--dport 9 "), "other code"));
    findings.push(Finding::of(&PH101, span, "other file"));
    let shown = print(
        &sources,
        &findings,
        Format::Human,
        &HumanOptions { color: false, links: false, max_findings: 3 },
    );
    assert!(shown.contains("other code") && shown.contains("other file"), "{shown}");
}

#[test]
fn the_ways_of_many_files_are_one_line() {
    let file = |n: usize, way: &str| FileSummary {
        path: format!("{n}.rules").into(),
        dialect: "iptables",
        rules: 1,
        way: Some(way.into()),
    };
    let files = (0..9).map(|n| file(n, "one way")).chain([file(9, "another way")]).collect();
    let summary = RunSummary { files, ..RunSummary::default() };
    let report = Report { sources: &SourceMap::new(), findings: &[], summary: &summary, views: &[] };
    let mut out = Vec::new();
    report.write(Format::Human, &PLAIN, &mut out).unwrap();
    let wanted = "9 files: judged one way\n9.rules (iptables): judged another way\n\
                  no findings; 10 files with 10 rules read\n";
    assert_eq!(String::from_utf8(out).unwrap(), wanted);
}

#[test]
fn colours_only_where_asked_for_and_never_links() {
    let sources = one(&numbered(3));
    let findings = [fault(&sources, "--dport 2 ").help("Help.")];
    let shown = print(
        &sources,
        &findings,
        Format::Human,
        &HumanOptions { color: true, links: false, max_findings: 9 },
    );
    assert!(shown.contains("\u{1b}[1;31merror[PH101]\u{1b}[0m"), "{shown:?}");
    assert!(!shown.contains("\u{1b}]8"), "{shown:?}");
    assert!(!human(&sources, &findings).contains('\u{1b}'));
}

#[test]
fn concise_is_one_line_each() {
    let mut sources = one("a\nbad\n");
    sources.add(Path::new("b\u{1b}.rules"), b"x".to_vec()).unwrap();
    let findings = [
        Finding::of(&PH001, find(&sources, "bad"), "no \n\u{1b}[0m`bad`"),
        Finding::of(&PH002, find(&sources, "x"), "hm"),
        Finding::of(&PH203, None, "no place"),
    ];
    assert_eq!(
        print(&sources, &findings, Format::Concise, &PLAIN),
        "edge.rules:2:1: error[PH001] no ??[0m`bad`\nb?.rules:1:1: info[PH002] hm\nwarning[PH203] no place\n"
    );
}

#[test]
fn findings_are_ordered_by_path_place_and_code() {
    let mut sources = SourceMap::new();
    sources.add("z", b"zz".to_vec()).unwrap();
    sources.add("a", b"aa".to_vec()).unwrap();
    let at = |lint, start: Option<u32>| {
        Finding::of(lint, start.map(|at| Span::new(at, at + 1)), "m").severity(Severity::Info)
    };
    let mut findings = vec![
        at(&PH203, None),
        at(&PH002, Some(0)),
        at(&PH301, Some(4)),
        at(&PH101, Some(4)),
        at(&PH614, Some(3)),
    ];
    sort(&mut findings, &sources);
    let order: Vec<&str> = findings.iter().map(|finding| finding.code()).collect();
    assert_eq!(order, ["PH614", "PH101", "PH301", "PH002", "PH203"]);
}
