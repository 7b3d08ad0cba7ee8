//! Files that must survive a power cut or stay private.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Creates `file` with mode 0600 and makes it durable. Never replaces one.
pub fn create_secret(file: &Path, content: &[u8]) -> io::Result<()> {
    create(file, content, 0o600)
}

/// Creates `file` with mode 0644 (less the umask) and makes it durable. Never replaces one.
pub fn create_public(file: &Path, content: &[u8]) -> io::Result<()> {
    create(file, content, 0o644)
}

/// Creates a directory of mode 0700, with its parents. One that is there stays as it is.
pub fn create_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// The permission bits.
pub fn mode(file: &Path) -> io::Result<u32> {
    Ok(fs::metadata(file)?.permissions().mode() & 0o777)
}

/// Makes the names in `dir` durable.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    // An empty path is the parent of a bare name: the current directory.
    File::open(if dir.as_os_str().is_empty() { Path::new(".") } else { dir })?.sync_all()
}

fn create(file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut open = OpenOptions::new().write(true).create_new(true).mode(mode).open(file)?;
    open.write_all(content)?;
    open.sync_all()?;
    file.parent().map_or(Ok(()), sync_dir)
}
