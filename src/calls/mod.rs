//! Calls as data: the stages that a call goes through, what each needs of the network, and what people notice when it
//! fails.
//!
//! A call is one TOML file in `rules/calls`; users' own have the same form and the same rights
//! ([`Calls::load_dir`]). `docs/calls.md` describes it.

mod load;
#[cfg(test)]
mod tests;

pub(crate) use load::CallFile;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::catalog::Transport;
use crate::site::RoutingMode as Mode;

/// All kinds of calls that are known.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    calls: Vec<Call>,
}

/// One kind of call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its name, such as `h323`.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// The roles that the caller may have where nobody says which product it is.
    pub caller: Vec<String>,
    /// Likewise for the called end.
    pub called: Vec<String>,
    /// The roles that are looked for where the call makes no sense with these.
    pub or_caller: Vec<String>,
    /// Likewise for the called end.
    pub or_called: Vec<String>,
    /// The stages of which both ends have to have one, or the call makes no sense between them; any where empty.
    pub needs: Vec<String>,
    /// How the gatekeeper works, where the call says it.
    pub mode: Option<Mode>,
    /// Its signalling is encrypted: helpers cannot read it.
    pub encrypted: bool,
    /// Why helpers of firewalls open nothing for it.
    pub no_helpers: Option<String>,
    /// The stages, in the order in which they happen.
    pub stages: Vec<Stage>,
}

/// Who is at one end of a stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Who {
    /// The caller.
    Caller,
    /// The called end.
    Called,
    /// Each of both: the stage happens twice.
    Each,
    /// Whoever fills a role: one of the ends, else somebody else of the site.
    Role(String),
}

/// Which ways a stage has to get through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ways {
    /// From the one to the other, and the answers back.
    #[default]
    Forth,
    /// Each way on its own; what one end sends may be carried by the connection of the other.
    Both,
    /// One or the other: either end may open it.
    Either,
    /// Forth; what the far end starts later needs the way back, unless it uses the same connection.
    Dialog,
}

impl Ways {
    /// Whether what is sent back is asked about.
    pub fn has_back(self) -> bool {
        self != Ways::Forth
    }
}

/// How much a call needs a stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// Without it there is no call.
    Required,
    /// Without it the call is worse.
    Optional,
    /// It matters only where it stands in for another stage.
    Fallback,
}

/// A third party that takes part in a stage, in some of its modes.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Through {
    /// Its role.
    pub role: String,
    /// The modes in which it does.
    pub modes: Vec<Mode>,
}

/// One stage of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stage {
    /// Its name: one of [`NAMES`], or a service.
    pub name: String,
    /// For people.
    pub title: String,
    /// Who opens it.
    pub from: Who,
    /// To whom: the first of these who offers the services.
    pub to: Vec<Who>,
    /// Which ways it has to get through.
    pub ways: Ways,
    /// Who takes part in between.
    pub through: Option<Through>,
    /// The catalog's services that it uses.
    pub services: Vec<String>,
    /// Those that are looked for where nobody offers the others.
    pub or_services: Vec<String>,
    /// The services whose ports packets come from, where these are not the same.
    pub source_services: Vec<String>,
    /// The transports; what rows say where empty.
    pub transports: Vec<Transport>,
    /// One of the services and transports is enough.
    pub any: bool,
    /// The ports of an end of which no catalog says them.
    pub ports: Vec<(u16, u16)>,
    /// How much it is needed.
    pub need: Need,
    /// The stages without which it is not reached.
    pub after: Vec<String>,
    /// The stages that stand in for it, in the order in which they are tried.
    pub instead: Vec<String>,
    /// Stages that it needs where it stands in.
    pub with: Vec<String>,
    /// What the answer depends on where it is blocked and yet may not be needed.
    pub unless: Option<String>,
    /// What the answer depends on where one way is blocked, and the connection of the other could carry it.
    pub carried: Option<String>,
    /// What the answer depends on where one way alone gets through, and one is enough.
    pub opens: Option<String>,
    /// What is worse where it stands in for another stage.
    pub worse: Option<String>,
    /// What people notice is what the product's row says, where nothing gets through.
    pub row_symptom: bool,
    /// What people notice where nothing gets through.
    pub symptom: String,
    /// Likewise where one way does.
    pub symptom_one_way: Option<String>,
    /// Likewise where part of the ports does.
    pub symptom_part: Option<String>,
    /// Likewise where RTCP alone does not.
    pub symptom_control: Option<String>,
}

/// The names that a stage can have besides the service that it is.
pub const NAMES: [&str; 21] = [
    "discovery",
    "ras",
    "q931",
    "h245",
    "media",
    "content",
    "data",
    "register",
    "sip",
    "web",
    "websocket",
    "ice-udp",
    "ice-tcp",
    "turn-udp",
    "turn-tcp",
    "turn-tls",
    "relay",
    "tunnel",
    "keep-alive",
    "signalling",
    "provisioning",
];

impl Calls {
    /// All calls, in the order in which they are tried where nobody names one.
    pub fn all(&self) -> &[Call] {
        &self.calls
    }

    /// The call with this name.
    pub fn call(&self, name: &str) -> Option<&Call> {
        self.calls.iter().find(|call| call.name == name)
    }

    /// The name that a misspelt one most likely means.
    pub fn nearest(&self, name: &str) -> Option<&str> {
        crate::spelling::nearest(name, self.calls.iter().map(|call| call.name.as_str()))
    }
}

impl Call {
    /// The roles of caller and called end of which nobody says who they are, in the order in which they are tried.
    pub fn roles(&self) -> Vec<[Vec<String>; 2]> {
        let both = |more: [&[String]; 2]| {
            [[&self.caller[..], more[0]].concat(), [&self.called[..], more[1]].concat()]
        };
        let mut roles = vec![both([&[], &[]])];
        if !(self.or_caller.is_empty() && self.or_called.is_empty()) {
            roles.push(both([&self.or_caller, &self.or_called]));
        }
        roles
    }

    /// The stages with a name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Stage> {
        self.stages.iter().filter(move |stage| stage.name == name)
    }
}
