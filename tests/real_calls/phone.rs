//! baresip as a telephone without a sound card, steered over its control socket.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::lab::{Lab, Running, within};

/// Where it listens for RTP.
pub(crate) const RTP: u16 = 20000;

/// A running telephone.
pub(crate) struct Phone {
    _program: Running,
    control: Running,
    said: Arc<Mutex<String>>,
}

/// How one is set up.
pub(crate) struct Setup<'s> {
    /// Its namespace, and its name in addresses.
    pub name: &'s str,
    pub address: &'s str,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'s str,
    /// The registrar that it registers at.
    pub registrar: Option<&'s str>,
}

impl Phone {
    /// Starts one in the namespace of its name, with its files in a folder that holds `tone.wav` and `cert.pem`.
    pub(crate) fn start(lab: &Lab, folder: &Path, setup: &Setup) -> Result<Phone, String> {
        let own = folder.join(setup.name);
        write_files(folder, &own, setup).map_err(|error| error.to_string())?;
        let mut program = lab.command(setup.name, "baresip");
        program.args(["-4", "-f"]).arg(&own).env("OPENSSL_CONF", folder.join("openssl.cnf"));
        program.stdout(Stdio::null()).stderr(Stdio::null());
        let program = Running(program.spawn().map_err(|error| error.to_string())?);
        // Tries until the socket is there; what is said goes both ways from then on.
        let script = "for i in $(seq 100); do exec 3<>/dev/tcp/127.0.0.1/4444 && break; sleep 0.05; done; \
                      cat <&3 & exec cat >&3";
        let mut control = lab.command(setup.name, "bash");
        control.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut control = Running(control.spawn().map_err(|error| error.to_string())?);
        let said = Arc::new(Mutex::new(String::new()));
        if let Some(mut out) = control.0.stdout.take() {
            let said = Arc::clone(&said);
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = out.read(&mut bytes) {
                    said.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
                }
            });
        }
        let mut phone = Phone { _program: program, control, said };
        phone.say("reginfo", "");
        match phone.hears("\"response\":true", Duration::from_secs(10)) {
            true => Ok(phone),
            false => Err(format!("{} does not answer", setup.name)),
        }
    }

    /// Gives a command.
    pub(crate) fn say(&mut self, command: &str, params: &str) {
        let text = serde_json::json!({ "command": command, "params": params }).to_string();
        if let Some(input) = self.control.0.stdin.as_mut() {
            let _ = write!(input, "{}:{text},", text.len()).and_then(|()| input.flush());
        }
    }

    /// Whether an event or an answer comes in time, or came before.
    pub(crate) fn hears(&self, what: &str, limit: Duration) -> bool {
        within(limit, || self.said.lock().unwrap().contains(what))
    }

    /// Whether an event of a type comes in time.
    pub(crate) fn event(&self, kind: &str, limit: Duration) -> bool {
        self.hears(&format!("\"type\":\"{kind}\""), limit)
    }

    /// Whether it comes to be registered in time.
    pub(crate) fn registers(&mut self, limit: Duration) -> bool {
        let deadline = std::time::Instant::now() + limit;
        while std::time::Instant::now() < deadline {
            self.say("reginfo", "");
            if self.event("REGISTER_OK", Duration::from_millis(150)) || self.log().contains("Expires 600s") {
                return true;
            }
        }
        false
    }

    /// All that was heard.
    pub(crate) fn log(&self) -> String {
        self.said.lock().unwrap().clone()
    }
}

fn write_files(folder: &Path, own: &Path, setup: &Setup) -> std::io::Result<()> {
    let Setup { name, address, transport, registrar } = *setup;
    std::fs::create_dir_all(own)?;
    let folder = folder.display();
    let modules = modules();
    let config = format!(
        "sip_listen {address}:5060\nsip_certificate {folder}/cert.pem\naudio_path /nonexistent\n\
         audio_player aubridge,x\naudio_source aufile,{folder}/tone.wav\naudio_alert aubridge,y\n\
         audio_srate 8000-8000\naudio_channels 1\nrtp_ports {RTP}-{}\nrtcp_mux no\njitter_buffer_delay 1-2\n\
         module_path {modules}\nmodule g711.so\nmodule aubridge.so\nmodule aufile.so\nmodule_app account.so\n\
         module_app menu.so\nmodule ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:4444\n",
        RTP + 1
    );
    std::fs::write(own.join("config"), config)?;
    let (domain, regint) = registrar.map_or((address, 0), |registrar| (registrar, 600));
    let port = if transport == "tls" && registrar.is_some() { ":5061" } else { "" };
    let account = format!(
        "<sip:{name}@{domain}{port};transport={transport}>;regint={regint};answermode=manual;auth_pass=none\n"
    );
    std::fs::write(own.join("accounts"), account)?;
    std::fs::write(own.join("contacts"), "")?;
    std::fs::write(own.join("uuid"), "")
}

fn modules() -> String {
    let places = ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules"];
    places.into_iter().find(|place| Path::new(place).is_dir()).unwrap_or(places[0]).to_string()
}

/// What all telephones of a test use: a minute of a tone, a certificate, and leave for old TLS.
pub(crate) fn common_files(folder: &Path) -> Result<(), String> {
    let samples: Vec<u8> =
        (0..8000 * 60).flat_map(|at| ((8000.0 * (f64::from(at) * 0.3).sin()) as i16).to_le_bytes()).collect();
    let length = samples.len() as u32;
    let mut wav = b"RIFF".to_vec();
    wav.extend((length + 36).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(8000u32.to_le_bytes());
    wav.extend(16000u32.to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend(length.to_le_bytes());
    wav.extend(samples);
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.join(name), bytes).map_err(|error| error.to_string())
    };
    write("tone.wav", &wav)?;
    write(
        "openssl.cnf",
        b"openssl_conf = c\n[c]\nssl_conf = s\n[s]\nsystem_default = d\n[d]\nMinProtocol = TLSv1\n\
          CipherString = DEFAULT:@SECLEVEL=0\n",
    )?;
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=lab"]);
    openssl.arg("-keyout").arg(folder.join("key.pem")).arg("-out").arg(folder.join("crt.pem"));
    crate::lab::done(&mut openssl)?;
    let read = |name: &str| std::fs::read(folder.join(name)).map_err(|error| error.to_string());
    write("cert.pem", &[read("key.pem")?, read("crt.pem")?].concat())
}
