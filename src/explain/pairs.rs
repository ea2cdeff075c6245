//! Ports that RTP and RTCP share: a stream takes an even port, and RTCP the next odd one (RFC 3550, section 11).

use super::legs::Question;
use crate::catalog::Transport;
use crate::packet::Set;

/// What everything hangs on where RTCP alone does not get through.
pub(super) const CONTROL: &str = "whether the ends need RTCP";

/// Whether a question is about RTCP alone, on the odd ports beside those of a stream.
pub(super) fn is_control(question: &Question<'_>) -> bool {
    question.row.service == "rtcp" && question.row.parity.is_some()
}

/// Whether of ports that both share none of a stream is among these.
pub(super) fn are_control(question: &Question<'_>, bad: &Set) -> bool {
    has_pairs(question) && evens(bad) == 0
}

/// What it depends on that some of the ports are blocked, which the end `whose` chooses from.
pub(super) fn depends_on(question: &Question<'_>, blocked: &Set, whose: &str) -> String {
    let (all, count) = (question.ports.count(), blocked.count());
    let are = if count == 1 { "is" } else { "are" };
    let some = format!("{count} of {all} {are} blocked");
    if !has_pairs(question) {
        return format!("which port the {whose} takes ({some})");
    }
    let (streams, of_streams) = (evens(blocked), evens(&question.ports));
    if streams == 0 {
        let control = all - of_streams;
        return format!("{CONTROL} ({count} of its {control} odd ports {are} blocked)");
    }
    if streams == of_streams {
        return format!("whether RTP takes odd ports (all of its {of_streams} even ones are blocked)");
    }
    match cuts(&question.ports, blocked).as_slice() {
        [] => format!("which port the {whose} takes ({some})"),
        [(rtp, rtcp)] => format!("which port the {whose} takes ({some}, of the pair {rtp}-{rtcp} one alone)"),
        [(rtp, rtcp), more @ ..] => {
            let pairs = more.len() + 1;
            format!("which port the {whose} takes ({some}, of {pairs} pairs such as {rtp}-{rtcp} one alone)")
        }
    }
}

/// Whether RTP and RTCP share the ports of a question, which have both even and odd ones.
fn has_pairs(question: &Question<'_>) -> bool {
    let has = |name: &str| question.row.protocol.split(['/', ',']).any(|word| word.trim() == name);
    let streams = evens(&question.ports);
    question.transport == Transport::Udp
        && has("RTP")
        && has("RTCP")
        && streams > 0
        && streams < question.ports.count()
}

/// How many are even.
fn evens(ports: &Set) -> u128 {
    ports.ranges().iter().map(|(lo, hi)| hi / 2 + 1 - lo.div_ceil(2)).sum()
}

/// The pairs of ports of which one is blocked and the other is not.
fn cuts(all: &Set, blocked: &Set) -> Vec<(u128, u128)> {
    let ends = blocked.ranges().iter().flat_map(|(lo, hi)| {
        let begins = (lo % 2 == 1).then(|| (lo - 1, *lo));
        let stops = (hi % 2 == 0).then(|| (*hi, hi + 1));
        begins.into_iter().chain(stops)
    });
    let whole = |(rtp, rtcp): &(u128, u128)| all.meets(&Set::one(*rtp)) && all.meets(&Set::one(*rtcp));
    ends.filter(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_ports_are_counted_by_range() {
        assert_eq!(evens(&Set::of_ports(&[(0, 0), (3, 3), (5, 8)])), 3);
        assert_eq!(evens(&Set::of_ports(&[(0, 65535)])), 32768);
    }

    #[test]
    fn a_pair_is_cut_where_a_range_begins_or_ends_within_it() {
        let all = Set::of_ports(&[(3230, 3287)]);
        assert_eq!(cuts(&all, &Set::of_ports(&[(3232, 3241)])), []);
        assert_eq!(cuts(&all, &Set::of_ports(&[(3241, 3250)])), [(3240, 3241), (3250, 3251)]);
        assert_eq!(cuts(&all, &Set::of_ports(&[(3230, 3230), (3287, 3287)])), [(3230, 3231), (3286, 3287)]);
        assert_eq!(cuts(&Set::of_ports(&[(3231, 3286)]), &Set::of_ports(&[(3231, 3231), (3286, 3286)])), []);
    }
}
