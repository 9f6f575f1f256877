//! Makes the program small in memory where that can be: packs its relocations, and lays together the functions that run.

use std::{
    env,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=layout/functions.ld");
    println!("cargo::rerun-if-env-changed=COUNTERSIGN_PLAIN_LAYOUT");
    let is_native = env::var("HOST") == env::var("TARGET");
    let is_glibc = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|libc| libc == "gnu");
    if !is_native || !is_glibc {
        return;
    }
    // Half a megabyte less to read at each start, and to keep.
    if glibc_minor().is_some_and(|minor| minor >= 36) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // Two megabytes less to keep; see layout/make. Not every linker takes a script.
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("layout/functions.ld");
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if is_release && env::var_os("COUNTERSIGN_PLAIN_LAYOUT").is_none() && links_with(&script) == Some(true) {
        println!("cargo::rustc-link-arg-bins=-T");
        println!("cargo::rustc-link-arg-bins={}", script.display());
    }
}

/// Returns what stands after `2.` in the version of this machine's C library, whose loader reads packed relocations from 2.36 on.
fn glibc_minor() -> Option<u32> {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let version = String::from_utf8(told.stdout).ok()?;
    version.trim().strip_prefix("glibc 2.")?.parse().ok()
}

/// Tries whether an empty program can be linked by this script, with the linker and the flags that ours will be linked with.
fn links_with(script: &Path) -> Option<bool> {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let linker = env::var("RUSTC_LINKER").map(|linker| format!("-Clinker={linker}"));
    let mut rustc = Command::new(env::var_os("RUSTC")?)
        .args(flags.split('\x1f').filter(|flag| !flag.is_empty()))
        .args(linker)
        .args(["--edition", "2024", "--crate-name", "probe", "--crate-type", "bin", "-"])
        .args(["-C", "link-arg=-T", "-C"])
        .arg(format!("link-arg={}", script.display()))
        .arg("-o")
        .arg(Path::new(&env::var_os("OUT_DIR")?).join("probe"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    rustc.stdin.take()?.write_all(b"fn main() {}").ok()?;
    rustc.wait().ok().map(|status| status.success())
}
