//! Settings of the kernel that scripts make beside their rules: after how long it forgets connections, and whether it
//! forwards IPv6.

use super::Shell;
use super::programs::base_name;
use crate::dialect::iptables::words::Word;
use crate::model::{Idle, Timeout};
use crate::source::Span;

impl<'t> Shell<'_, '_, 't> {
    /// `sysctl -w net.netfilter.nf_conntrack_udp_timeout_stream=60`
    pub(super) fn sysctl(&mut self, words: &[Word<'t>]) {
        if words.first().is_none_or(|word| base_name(&word.text) != "sysctl") {
            return;
        }
        let settings = words[1..].iter().filter(|word| !word.unresolved);
        for (word, (name, value)) in settings.filter_map(|word| Some((word, word.text.split_once('=')?))) {
            self.setting(name, value, word.span);
        }
    }

    /// `echo 60 > /proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream`
    pub(super) fn kernel_file(&mut self, words: &[Word<'t>]) {
        let Some(file) = self.output.take().filter(|file| !file.unresolved) else { return };
        let Some(name) = file.text.strip_prefix("/proc/sys/") else { return };
        if let Some(value) = words.last().filter(|value| !value.unresolved) {
            self.setting(name, &value.text, words[0].span.to(file.span));
        }
    }

    /// What a setting says of the firewall, unless it may not run.
    fn setting(&mut self, name: &str, value: &str, span: Span) {
        let Ok(number) = value.trim().parse() else { return };
        if !self.guard().is_some_and(|guard| guard.is_empty()) {
            return;
        }
        let parts: Vec<&str> = name.split(['.', '/']).collect();
        let config = &mut self.reader.config;
        match parts.as_slice() {
            // Documentation/networking/ip-sysctl.rst of Linux: `conf/all/forwarding` is for all interfaces.
            ["net", "ipv6", "conf", "all", "forwarding"] => config.forwards_v6 = number != 0,
            ["net", "ipv6", "conf", .., "forwarding"] => config.forwards_v6 |= number != 0,
            [.., last] => config.timeouts.extend(idle(last).map(|of| Timeout {
                of,
                ports: None,
                besides: &[],
                seconds: number,
                span,
            })),
            [] => {}
        }
    }
}

/// What counts for connections with packets both ways (Documentation/networking/nf_conntrack-sysctl.rst of Linux).
/// Before 2.6.20 the names began with `ip_conntrack_`.
fn idle(name: &str) -> Option<Idle> {
    match name.strip_prefix("nf_").or(name.strip_prefix("ip_"))? {
        "conntrack_tcp_timeout_established" => Some(Idle::Tcp),
        "conntrack_udp_timeout_stream" => Some(Idle::Udp),
        _ => None,
    }
}
