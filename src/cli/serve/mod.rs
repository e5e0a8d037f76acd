//! `refit serve`: arguments → settings → a running server.

mod args;
mod groups;
mod settings;
mod signals;

use std::{env, io, path::Path, process::ExitCode, sync::Arc, time::Duration};

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{helper, sources::Surroundings};
use crate::{
    api::Api,
    engine::Address,
    relay::Relay,
    server::{self, Admin, BindError, Bound, Inherited, Server, SocketAccess, Watched},
    upgrade::Upgrades,
};
pub(super) use args::Args;
use settings::Settings;
use signals::{Ended, Signals};

/// Where groups are looked up. The binary is static, and so has no other name service; in an
/// image FROM scratch the file is missing, and groups are numbers.
const GROUP_FILE: &str = "/etc/group";

/// How long what is still running may take to be dropped.
const LEFTOVERS: Duration = Duration::from_millis(100);

/// Runs `refit serve`.
pub(super) fn main(args: Args) -> ExitCode {
    // Before any thread exists: this changes the environment.
    let (inherited, refused): (Vec<_>, Vec<_>) =
        server::inherit().into_iter().partition(Result::is_ok);
    let inherited: Vec<Inherited> = inherited.into_iter().flatten().collect();
    let settings = Settings::parse(
        args,
        &Surroundings {
            variable: &|name| env::var_os(name),
            group_file: Path::new(GROUP_FILE),
            inherited: &inherited.iter().map(Inherited::address).collect::<Vec<_>>(),
            refused: &refused
                .into_iter()
                .filter_map(Result::err)
                .collect::<Vec<_>>(),
        },
    );
    let settings = match settings {
        Ok(settings) => settings,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return ExitCode::from(super::USAGE);
        }
    };
    settings.log.start();
    server::raise_descriptor_limit();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "can't start the runtime");
            return ExitCode::FAILURE;
        }
    };
    let code = match runtime.block_on(serve(settings, inherited)) {
        Ok(Ended::Orderly) => ExitCode::SUCCESS,
        Ok(Ended::AtOnce(signal)) => ExitCode::from(signal.exit_code()),
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    };
    // Not a plain drop: that waits without limit for blocking calls, such as a name that is being
    // resolved. Nor in the background: whoever holds a socket file shall still remove it.
    runtime.shutdown_timeout(LEFTOVERS);
    code
}

/// Binds, wires the layers together, and serves until a signal ends it.
async fn serve(settings: Settings, inherited: Vec<Inherited>) -> anyhow::Result<Ended> {
    info!(version = env!("CARGO_PKG_VERSION"), engine = %settings.engine.address, "refit");
    // First of all, so that a signal finds us prepared from here on.
    let mut signals = Signals::new()?;
    let shutdown = CancellationToken::new();
    let running = async {
        let bound = bind(&settings, inherited).await?;
        let admin_bound = bind_all(&settings.admin, &settings.access).await?;
        let server = wire(bound, admin_bound, settings)?;
        anyhow::Ok(server::run(server, shutdown.clone()).await?)
    };
    signals.run(running, shutdown.clone()).await
}

/// Puts the layers together, from the bottom up.
fn wire(
    bound: Vec<Bound>,
    admin_bound: Vec<Bound>,
    settings: Settings,
) -> io::Result<Server<Relay, Upgrades, Admin<Watched>>> {
    let engine = Arc::new(settings.engine.engine());
    let own_container = helper::own_container(&settings.engine, &settings.log);
    let upgrades = Arc::new(Upgrades::with_own_container(engine.clone(), own_container));
    let api = Api::new(Arc::clone(&upgrades));
    let relay = Relay::new(settings.engine.address, api)?;
    let watched = Watched {
        engine,
        upgrades: Arc::clone(&upgrades),
    };
    let admin = Admin::new(watched, upgrades.metrics(), relay.metrics());
    Ok(Server {
        bound,
        serve: Arc::new(relay),
        admin_bound,
        admin: Arc::new(admin),
        transactions: upgrades,
        drain_limit: settings.drain,
    })
}

/// Makes every address ours: those that were handed over, then those that were asked for.
async fn bind(settings: &Settings, inherited: Vec<Inherited>) -> Result<Vec<Bound>, BindError> {
    let mut bound = Vec::with_capacity(inherited.len() + settings.listen.len());
    for socket in inherited {
        bound.push(server::adopt(socket)?);
    }
    bound.extend(bind_all(&settings.listen, &settings.access).await?);
    Ok(bound)
}

async fn bind_all(addresses: &[Address], access: &SocketAccess) -> Result<Vec<Bound>, BindError> {
    let mut bound = Vec::with_capacity(addresses.len());
    for address in addresses {
        bound.push(server::bind(address, access).await?);
    }
    Ok(bound)
}
