//! Settings of the kernel that scripts make beside their rules: after how long it forgets connections.

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

    /// Sets what counts for connections with packets both ways (Documentation/networking/nf_conntrack-sysctl.rst of
    /// Linux), unless it may not run.
    fn setting(&mut self, name: &str, value: &str, span: Span) {
        let name = name.rsplit(['.', '/']).next().unwrap_or(name);
        // Before 2.6.20 the names began with `ip_conntrack_`.
        let of = match name.strip_prefix("nf_").or(name.strip_prefix("ip_")) {
            Some("conntrack_tcp_timeout_established") => Idle::Tcp,
            Some("conntrack_udp_timeout_stream") => Idle::Udp,
            _ => return,
        };
        let Ok(seconds) = value.trim().parse() else { return };
        if self.guard().is_some_and(|guard| guard.is_empty()) {
            self.reader.config.timeouts.push(Timeout { of, ports: None, besides: &[], seconds, span });
        }
    }
}
