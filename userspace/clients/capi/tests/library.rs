//! The shared library, its header and its functions agree, and the library exports nothing else.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::elf;
use object::read::elf::{ElfFile64, SectionHeader as _, Sym as _};
use syn::visit::Visit;

// Cargo builds the shared library for this.
use onair_capi as _;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn library() -> PathBuf {
    std::env::current_exe()
        .unwrap()
        .with_file_name("libonair_capi.so")
}

/// Declarations of C by name: functions with their types, structs with their fields, constants.
#[derive(Default)]
struct Declared(BTreeMap<String, String>);

/// A type without the path in front, as `*mut c_char`.
fn plain(it: &syn::Type) -> String {
    match it {
        syn::Type::Path(path) => path.path.segments.last().unwrap().ident.to_string(),
        syn::Type::Ptr(to) if to.mutability.is_some() => format!("*mut {}", plain(&to.elem)),
        syn::Type::Ptr(to) => format!("*const {}", plain(&to.elem)),
        syn::Type::Array(of) => match &of.len {
            syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Int(len),
                ..
            }) => {
                format!("[{}; {}]", plain(&of.elem), len.base10_digits())
            }
            _ => panic!("the length of an array is no number"),
        },
        _ => panic!("a type that the header has not"),
    }
}

impl Declared {
    fn function(&mut self, signature: &syn::Signature) {
        let inputs = signature.inputs.iter().map(|input| match input {
            syn::FnArg::Typed(input) => plain(&input.ty),
            syn::FnArg::Receiver(_) => panic!("a method"),
        });
        let output = match &signature.output {
            syn::ReturnType::Type(_, output) => plain(output),
            syn::ReturnType::Default => String::new(),
        };
        let inputs: Vec<_> = inputs.collect();
        self.0.insert(
            signature.ident.to_string(),
            format!("({}) -> {output}", inputs.join(", ")),
        );
    }
}

impl<'ast> Visit<'ast> for Declared {
    fn visit_foreign_item_fn(&mut self, item: &'ast syn::ForeignItemFn) {
        self.function(&item.sig);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        if item.ident.to_string().starts_with("onair_") {
            let fields = item.fields.iter().map(|field| {
                let name = field.ident.as_ref().unwrap();
                format!("{name}: {}", plain(&field.ty))
            });
            let fields: Vec<_> = fields.collect();
            self.0.insert(item.ident.to_string(), fields.join(", "));
        }
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        let name = item.ident.to_string();
        if let (
            true,
            syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Int(value),
                ..
            }),
        ) = (name.starts_with("ONAIR_"), &*item.expr)
        {
            self.0.insert(name, value.base10_digits().to_owned());
        }
    }
}

/// What bindgen reads of a header.
fn declared(header: &Path) -> BTreeMap<String, String> {
    let header = bindgen::Builder::default()
        .header(header.to_str().unwrap())
        .allowlist_item("(onair|ONAIR)_.*")
        .blocklist_item("ONAIR_FOREVER")
        .layout_tests(false)
        .generate()
        .unwrap();
    let mut all = Declared::default();
    all.visit_file(&syn::parse_file(&header.to_string()).unwrap());
    all.0
}

/// The header that cbindgen makes of the library's sources, in `folder`.
fn generated(folder: &Path) -> PathBuf {
    let mut builder = cbindgen::Builder::new().with_config(cbindgen::Config {
        language: cbindgen::Language::C,
        usize_is_size_t: true,
        ..Default::default()
    });
    for source in ["src", "src/group", "src/view"] {
        for path in fs::read_dir(self::folder().join(source)).unwrap() {
            let path = path.unwrap().path();
            if path.is_file() {
                // Only what a crate exports becomes a declaration. The alias of a type of the same name does not end.
                let text = fs::read_to_string(&path).unwrap();
                let text = text.replace(
                    "pub(crate) type OwnedBuffer = onair::OwnedBuffer<Contents>;",
                    "",
                );
                let text = text.replace("extern \"C\" fn onair_", "pub extern \"C\" fn onair_");
                let text = text.replace("unsafe pub extern", "pub unsafe extern");
                let text = text.replace("\nconst ONAIR_", "\npub const ONAIR_");
                let name = path.strip_prefix(self::folder()).unwrap();
                let copy = folder.join(name.to_str().unwrap().replace('/', "-"));
                fs::write(&copy, text).unwrap();
                builder = builder.with_src(copy);
            }
        }
    }
    let header = folder.join("generated.h");
    builder.generate().unwrap().write_to_file(&header);
    header
}

#[test]
fn header_and_that_of_cbindgen_then_the_same_types() {
    let place = tempfile::tempdir().unwrap();
    let in_header = declared(&folder().join("include/onair.h"));
    let in_library = declared(&generated(place.path()));
    assert_eq!(in_header, in_library);
    assert!(in_header.len() > 30, "{in_header:?}");
    let lines = in_header.iter().map(|(name, it)| format!("{name}: {it}\n"));
    let (now, kept) = (lines.collect::<String>(), folder().join("abi.txt"));
    if std::env::var_os("ONAIR_KEEP_ABI").is_some() {
        fs::write(&kept, &now).unwrap();
    }
    assert_eq!(
        now,
        fs::read_to_string(kept).unwrap(),
        "programs that were built with an earlier version use what abi.txt says. New functions, and new fields at the \
         end of a struct with a size: ONAIR_KEEP_ABI=1 writes it. Anything else needs another SONAME"
    );
}

/// The functions that the headers for programs of MTL declare.
fn mtl_functions() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for file in fs::read_dir(folder().join("mtl/include/onair_mtl")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let declared = text.lines().filter(|line| {
            line.contains('(')
                && !line.starts_with([' ', '/', '#', '}'])
                && !line.contains("static ")
        });
        let names = declared.filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next());
        all.extend(
            names
                .filter(|it| it.starts_with("mtl_") || it.starts_with("st"))
                .map(str::to_owned),
        );
    }
    all
}

#[test]
fn page_of_mtl_then_it_names_each_function_and_no_other() {
    let page = fs::read_to_string(folder().join("mtl/functions.md")).unwrap();
    let quoted: BTreeSet<_> = page.split('`').skip(1).step_by(2).collect();
    let declared = mtl_functions();
    assert!(declared.len() > 90, "{declared:?}");
    let is_missing = |it: &&String| !quoted.contains(it.as_str());
    let missing: Vec<_> = declared.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "the page says nothing of {missing:?}");
    let (listed, _) = page.split_once("Not there:").unwrap();
    for name in listed.split('`').skip(1).step_by(2) {
        let is_function = name.starts_with("mtl_") || name.starts_with("st") && name.contains('_');
        assert!(
            !is_function || declared.contains(name),
            "{name} is not declared"
        );
    }
}

#[test]
fn header_in_c11_and_cpp17_then_no_warning() {
    let include = folder().join("include");
    for (compiler, standard, language, header) in [
        ("gcc", "c11", "c", "onair.h"),
        ("g++", "c++17", "c++", "onair.h"),
        ("g++", "c++17", "c++", "onair.hpp"),
        ("gcc", "c11", "c", "../mtl/include/onair_mtl.h"),
        ("g++", "c++17", "c++", "../mtl/include/onair_mtl.h"),
    ] {
        let mut command = Command::new(compiler);
        command.args([
            "-Wall",
            "-Wextra",
            "-pedantic",
            "-Werror",
            "-fsyntax-only",
            "-x",
            language,
        ]);
        command
            .arg(format!("-std={standard}"))
            .arg("-I")
            .arg(&include)
            .arg("-I")
            .arg(folder().join("mtl/include"));
        assert!(
            command
                .arg(include.join(header))
                .status()
                .unwrap()
                .success(),
            "{compiler} {header}"
        );
    }
}

#[test]
fn library_then_its_name_and_versioned_functions_only() {
    let bytes = fs::read(library()).unwrap();
    let file = ElfFile64::<object::Endianness>::parse(&*bytes).unwrap();
    let (endian, sections) = (file.endian(), file.elf_section_table());
    let symbols = sections.symbols(endian, &*bytes, elf::SHT_DYNSYM).unwrap();
    let versions = sections.versions(endian, &*bytes).unwrap().unwrap();
    let mut exported = BTreeSet::new();
    for (index, symbol) in symbols.enumerate() {
        if symbol.is_undefined(endian) || symbol.st_bind() == elf::STB_LOCAL {
            continue;
        }
        let name = str::from_utf8(symbol.name(endian, symbols.strings()).unwrap()).unwrap();
        // The version node itself.
        if symbol.st_shndx(endian) == elf::SHN_ABS {
            continue;
        }
        let version = versions
            .version(versions.version_index(endian, index))
            .unwrap();
        let version = version.map(|it| str::from_utf8(it.name()).unwrap());
        assert_eq!(version, Some("ONAIR_1.0"), "{name}");
        exported.insert(name.to_owned());
    }
    let header = fs::read_to_string(folder().join("include/onair.h")).unwrap();
    let declared = header.lines().filter(|line| {
        line.contains('(') && line.contains("onair_") && !line.starts_with([' ', '/', '#'])
    });
    let declared = declared.map(|line| {
        let before = line.split('(').next().unwrap();
        before.rsplit([' ', '*']).next().unwrap().to_owned()
    });
    assert_eq!(exported, declared.collect());

    let (dynamic, strings) = sections
        .iter()
        .find_map(|section| section.dynamic(endian, &*bytes).unwrap())
        .unwrap();
    let strings = sections.strings(endian, &*bytes, strings).unwrap();
    let name = dynamic.iter().find_map(|entry| {
        use object::read::elf::Dyn as _;
        (entry.d_tag(endian) == u64::from(elf::DT_SONAME))
            .then(|| entry.string(endian, strings).unwrap())
    });
    assert_eq!(name, Some(&b"libonair.so.1"[..]));
}

#[test]
fn pc_file_with_its_places_filled_in_then_pkg_config_reads_it() {
    let text = fs::read_to_string(folder().join("onair.pc.in")).unwrap();
    let text = text
        .replace("@PREFIX@", "/usr")
        .replace("@LIBDIR@", "/usr/lib/x86_64-linux-gnu");
    let text = text.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("onair.pc"), text).unwrap();
    let mut command = Command::new("pkg-config");
    command
        .env("PKG_CONFIG_PATH", place.path())
        .args(["--libs", "onair"]);
    let said = command.output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("-lonair"), "{said}");
    assert!(!said.contains('@'), "{said}");
}
