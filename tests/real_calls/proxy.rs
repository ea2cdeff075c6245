//! kamailio as registrar and proxy.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::lab::{Lab, Running, within};

/// Starts one in the namespace `server`, for UDP, TCP and TLS.
pub(crate) fn start(lab: &Lab, folder: &Path, address: &str) -> Result<Running, String> {
    let own = folder.join("server");
    std::fs::create_dir_all(&own).map_err(|error| error.to_string())?;
    let path = own.join("kamailio.cfg");
    let tls = format!(
        "[server:default]\nmethod = TLSv1+\nverify_certificate = no\nrequire_certificate = no\n\
         private_key = {0}/key.pem\ncertificate = {0}/crt.pem\n[client:default]\nmethod = TLSv1+\n\
         verify_certificate = no\nrequire_certificate = no\n",
        folder.display()
    );
    std::fs::write(own.join("tls.cfg"), tls).map_err(|error| error.to_string())?;
    std::fs::write(&path, config(&own, address)).map_err(|error| error.to_string())?;
    let log = std::fs::File::create(own.join("log")).map_err(|error| error.to_string())?;
    let mut program = lab.command("server", "kamailio");
    program.args(["-DD", "-E", "-m", "32", "-M", "8", "-f"]).arg(&path);
    program.arg("-Y").arg(&own).arg("-P").arg(own.join("pid"));
    program.env("OPENSSL_CONF", folder.join("openssl.cnf"));
    program.stdout(Stdio::null()).stderr(log);
    let running = Running(program.spawn().map_err(|error| error.to_string())?);
    let listens = || {
        let out = lab.command("server", "ss").args(["-lnt"]).output();
        out.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(":5061"))
    };
    match within(Duration::from_secs(10), listens) {
        true => Ok(running),
        false => Err(format!("kamailio: {}", std::fs::read_to_string(own.join("log")).unwrap_or_default())),
    }
}

fn config(own: &Path, address: &str) -> String {
    let own = own.display();
    format!(
        r#"#!KAMAILIO
debug=1
log_stderror=yes
children=2
auto_aliases=no
enable_tls=yes
listen=udp:{address}:5060
listen=tcp:{address}:5060
listen=tls:{address}:5061
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "tls.so"
modparam("tls", "config", "{own}/tls.cfg")
modparam("usrloc", "db_mode", 0)
request_route {{
    if (is_method("REGISTER")) {{
        save("location");
        exit;
    }}
    if (has_totag()) {{
        loose_route();
        t_relay();
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans()) {{ t_relay(); }}
        exit;
    }}
    if (is_method("INVITE")) {{
        record_route();
    }}
    if (!lookup("location")) {{
        sl_send_reply("404", "Not Found");
        exit;
    }}
    t_relay();
}}
"#
    )
}
