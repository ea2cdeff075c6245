use super::*;
use crate::rule::{PH101, PH201, PH202, PH301, Selection, Severity};

#[test]
fn selection_acceptance_and_severity() {
    let mut sources = SourceMap::new();
    sources.add("site/a.rules", b"aa".to_vec()).unwrap();
    sources.add("site/b.rules", b"bb".to_vec()).unwrap();
    let at = |lint, start| Finding::of(lint, Span::new(start, start + 1), "m").severity(Severity::Info);
    let findings = || vec![at(&PH101, 0), at(&PH201, 0), at(&PH201, 3), at(&PH202, 3), at(&PH301, 3)];
    let day = |day| Date { year: 2026, month: 5, day };
    let settings = Settings {
        selection: Selection { only: Some(vec![&PH101, &PH201, &PH202]), without: vec![&PH202] },
        severity: [(&PH101, Severity::Error)].into(),
        accepted: vec![Ignore {
            lints: vec![&PH201],
            file: Some("site/a.rules".into()),
            reason: "known".into(),
            expires: Some(day(10)),
            span: Span::default(),
        }],
        ..Settings::default()
    };
    let told = |today, everything| {
        let files = Vec::new();
        let checked =
            Checked { settings: &settings, files, whole: true, today, sources: &sources, everything };
        let out = checked.tell(findings());
        let told: Vec<(&str, Severity)> = out.findings.iter().map(|f| (f.code(), f.severity)).collect();
        (told, out.ignored)
    };
    let (first, other) = (("PH101", Severity::Error), ("PH201", Severity::Info));
    assert_eq!(told(day(10), false), (vec![first, other], 1));
    assert_eq!(told(day(11), false), (vec![first, other, other], 0));
    assert_eq!(told(day(10), true), (vec![first, other, other], 0));
}
