//! Tells the linker where `memory.x` is, and the compiler which board: the M33 is on another one.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is_m33 = std::env::var("TARGET").is_ok_and(|target| target.starts_with("thumbv8m"));
    let board = if is_m33 { "an505" } else { "an386" };
    if is_m33 {
        println!("cargo:rustc-cfg=an505");
    }
    println!("cargo:rustc-link-search={}/{board}", env!("CARGO_MANIFEST_DIR"));
    println!("cargo:rerun-if-changed={board}/memory.x");
}
