//! Container images where no Docker engine runs: buildah with chroot isolation, bases by debootstrap.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{BUILD_DEADLINE, INSTALL_DEADLINE, cache, package_dir, programs};
use crate::process::run;

/// The distribution of both bases.
const SUITE: &str = "bookworm";

/// A store of images of its own.
pub struct Images {
    store: PathBuf,
}

impl Images {
    /// With the bases that the Dockerfile of this repository names.
    pub(super) fn with_bases(cache: &Path) -> Result<Images> {
        programs::find_or_install("buildah", "buildah")?;
        programs::find_or_install("debootstrap", "debootstrap")?;
        let images = Images { store: cache.join("images") };
        let dockerfile = fs::read_to_string(repository()?.join("Dockerfile"))?;
        let (base, rust) = (default_of(&dockerfile, "BASE_IMAGE")?, default_of(&dockerfile, "RUST_IMAGE")?);
        let folder = cache::once(cache, &format!("debian-{SUITE}"), debootstrap)?;
        images.build_once(base, "debian.Dockerfile", &folder, "")?;
        images.build_once(rust, "rust.Dockerfile", &folder, &format!("BASE_IMAGE={base}"))?;
        Ok(images)
    }

    /// buildah on this store.
    pub fn buildah(&self) -> Command {
        let mut command = Command::new("buildah");
        command.arg("--root").arg(self.store.join("root")).arg("--runroot").arg(self.store.join("run"));
        command
    }

    fn build_once(&self, name: &str, file: &str, folder: &Path, argument: &str) -> Result<()> {
        let mut find = self.buildah();
        find.args(["inspect", "--type", "image", name]);
        if run(find, b"", INSTALL_DEADLINE)?.status.success() {
            return Ok(());
        }
        let mut build = self.buildah();
        build.args(["build", "--isolation", "chroot", "--pull-never", "--tag", name, "--file"]);
        build.arg(package_dir().join("container").join(file));
        build.args(["--build-arg", argument].into_iter().filter(|_| !argument.is_empty()));
        build.arg(folder);
        run(build, b"", BUILD_DEADLINE)?.success()?;
        Ok(())
    }
}

/// Where the Dockerfile lies.
pub fn repository() -> Result<&'static Path> {
    package_dir().parent().context("this package lies in the repository")
}

/// What `ARG <name>=` says.
fn default_of<'a>(dockerfile: &'a str, name: &str) -> Result<&'a str> {
    let found =
        dockerfile.lines().find_map(|line| line.strip_prefix("ARG ")?.strip_prefix(name)?.strip_prefix('='));
    found.with_context(|| format!("the Dockerfile has no ARG {name}="))
}

/// A folder with `debian.tar`.
fn debootstrap(folder: &Path) -> Result<()> {
    println!("making a Debian by debootstrap");
    let system = folder.join("system");
    fs::create_dir_all(&system)?;
    let mut make = Command::new("debootstrap");
    make.args(["--variant=minbase", SUITE]).arg(&system);
    run(make, b"", BUILD_DEADLINE)?.success()?;
    let mut pack = Command::new("tar");
    pack.arg("-C").arg(&system).args(["--exclude", "./var/cache/apt/archives/*.deb", "-cf"]);
    pack.arg(folder.join("debian.tar")).arg(".");
    run(pack, b"", INSTALL_DEADLINE)?.success()?;
    Ok(fs::remove_dir_all(system)?)
}
