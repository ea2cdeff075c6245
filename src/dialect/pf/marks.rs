//! What the language is told by.

use crate::dialect::Marks;

/// What the language is told by.
pub(super) const MARKS: Marks = Marks {
    sure: &[
        "pass in|out|log|quick|on|all|from|to|inet|inet6|proto|log~",
        "block in|out|log|quick|on|all|from|to|inet|inet6|proto|drop|return~|log~",
        "match in|out|log|on|all|from|to|inet|inet6|proto|log~",
        "set skip|block-policy|debug|fingerprints|hostid|limit|loginterface|optimization|reassemble|ruleset-optimization|state-defaults|state-policy|syncookies|timeout|require-order|keepcounters|state-hash _",
        "scrub $",
        "scrub in|out|log|on|all|from|fragment|inet|inet6|proto|random-id|reassemble|no-df|max-mss _",
        "scrub in|out|all $",
        "nat|rdr|binat on|pass _",
        "no nat|rdr|binat|scrub _",
        "nat-anchor|rdr-anchor|binat-anchor _",
        "antispoof for|quick|log|inet|inet6|log~ _",
        "altq on _",
        "load anchor _ from",
        "table <~ _",
        "table <~ $",
        "queue _ on _ bandwidth",
        "queue _ parent _ bandwidth|min|max|flows",
    ],
    hints: &[
        "pass|block $",
        "pass|block|match \\",
        "in|out|on|all|from|to|proto|quick _",
        "in|out|on|all|quick \\",
        "anchor _",
        "queue _ on|parent|bandwidth|priority|priq|cbq|hfsc _",
        "antispoof _",
        "include \"~",
        "_ = _",
        "{|} $",
        "}~",
    ],
    extensions: &["pf"],
    names: &["*pf.conf"],
};
