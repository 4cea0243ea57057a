//! What CUDA needs when the program runs, and what of it this machine has.
//!
//! CubeCL writes CUDA C++, has NVRTC compile it against the toolkit's headers, and hands the PTX to the driver.
//! So four things must be there and fit: the driver, a device, NVRTC, the headers. What is asked here is what
//! `cubecl-cuda` 0.10 asks later, where a missing piece would be a panic.

use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cudarc::driver::sys::{self as driver, CUdevice_attribute as Attribute, CUresult};
use cudarc::nvrtc::{result as compiler, sys as nvrtc};
use libloading::Library;

/// CUDA's major and minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u32, u32);

/// The oldest CUDA that is supported, in driver and NVRTC.
const OLDEST: Version = Version(12, 0);
/// Headers that Burn's kernels include.
const HEADERS: [&str; 4] = ["cuda_runtime.h", "cuda_fp16.h", "cuda_bf16.h", "mma.h"];

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Survey {
    /// What CUDA the driver knows, and the driver's own version where the system tells.
    pub driver: Option<String>,
    /// NVRTC's version.
    pub compiler: Option<String>,
    /// The devices that the driver shows.
    pub gpus: Vec<Gpu>,
    /// What keeps all of them from working.
    pub problem: Option<String>,
}

/// A device that the driver shows.
#[derive(Clone, Debug)]
pub(super) struct Gpu {
    /// Its name.
    pub name: String,
    /// Bytes of memory.
    pub memory: u64,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// What keeps this one from working.
    pub problem: Option<String>,
}

/// The machine, looked at once.
pub(super) fn survey() -> &'static Survey {
    static SURVEY: OnceLock<Survey> = OnceLock::new();
    SURVEY.get_or_init(|| {
        let mut survey = Survey::default();
        survey.problem = survey.look().err();
        survey
    })
}

impl Survey {
    /// Fills in what there is, up to the first thing that is missing.
    fn look(&mut self) -> Result<(), String> {
        let driver = driver_version()?;
        self.driver = Some(match module_version() {
            Some(module) => format!("{module} (CUDA {driver})"),
            None => format!("CUDA {driver}"),
        });
        if driver < OLDEST {
            return Err(format!(
                "the driver is too old: it knows CUDA {driver}, {OLDEST} is needed; install NVIDIA's driver \
                 525 or newer"
            ));
        }
        self.gpus = gpus()?;
        if self.gpus.is_empty() {
            return Err("the driver finds no device".into());
        }
        let compiler = compiler_version()?;
        self.compiler = Some(compiler.to_string());
        if compiler < OLDEST {
            return Err(format!("NVRTC {compiler} is too old; install that of CUDA {OLDEST} or newer"));
        }
        if compiler > driver {
            return Err(format!(
                "the driver is too old for NVRTC: it knows CUDA {driver} and refuses what NVRTC {compiler} \
                 compiles; \
                 install a newer driver, or NVRTC {driver} or older"
            ));
        }
        let include = headers()?;
        let known = known_architectures();
        for gpu in &mut self.gpus {
            let (major, minor) = gpu.capability;
            if !known.is_empty() && !known.contains(&(major * 10 + minor)) {
                let why = "install the NVRTC of a CUDA that supports it";
                gpu.problem =
                    Some(format!("NVRTC {compiler} does not know compute capability {major}.{minor}; {why}"));
            }
        }
        match self.gpus.iter().find(|gpu| gpu.problem.is_none()) {
            Some(gpu) => compile_probe(gpu.capability, &include),
            None => Ok(()),
        }
    }
}

impl Version {
    /// From 1000 * major + 10 * minor.
    fn from_number(number: c_int) -> Self {
        let number = number.unsigned_abs();
        Version(number / 1000, number % 1000 / 10)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Starts the driver; the CUDA that it knows.
fn driver_version() -> Result<Version, String> {
    #[expect(unsafe_code, reason = "loads the library, whose initialiser is NVIDIA's to answer for")]
    if !unsafe { driver::is_culib_present() } {
        return Err("there is no CUDA driver (libcuda.so.1); install NVIDIA's driver".into());
    }
    let mut number = 0;
    #[expect(unsafe_code, reason = "plain calls of the driver, with a place for its answer")]
    let (asked, started) = unsafe { (driver::cuDriverGetVersion(&raw mut number), driver::cuInit(0)) };
    let version = Version::from_number(number);
    match started {
        CUresult::CUDA_SUCCESS if asked == CUresult::CUDA_SUCCESS => Ok(version),
        // An old driver may know no newer device: its age is then the thing to say.
        _ if asked == CUresult::CUDA_SUCCESS && number > 0 && version < OLDEST => Ok(version),
        CUresult::CUDA_SUCCESS => Err(format!("the CUDA driver does not report its version: {asked:?}")),
        CUresult::CUDA_ERROR_NO_DEVICE => Err("the driver finds no device".into()),
        CUresult::CUDA_ERROR_STUB_LIBRARY => {
            Err("libcuda is the toolkit's stub, not a driver; install NVIDIA's driver".into())
        }
        CUresult::CUDA_ERROR_SYSTEM_DRIVER_MISMATCH => Err(
            "libcuda and the kernel's module are of different driver versions; reboot, or install one driver"
                .into(),
        ),
        other => Err(format!("the CUDA driver does not start: {other:?}; see `nvidia-smi` and `dmesg`")),
    }
}

/// The version of the driver's kernel module.
fn module_version() -> Option<String> {
    let text = std::fs::read_to_string("/proc/driver/nvidia/version").ok()?;
    let is_version = |word: &&str| word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    text.lines().next()?.split_whitespace().find(is_version).map(str::to_owned)
}

fn gpus() -> Result<Vec<Gpu>, String> {
    let failed = |what, error: CUresult| format!("the CUDA driver does not report {what}: {error:?}");
    let check = |what, result| match result {
        CUresult::CUDA_SUCCESS => Ok(()),
        error => Err(failed(what, error)),
    };
    let mut count = 0;
    #[expect(unsafe_code, reason = "a plain call of the driver, with a place for its answer")]
    check("how many devices there are", unsafe { driver::cuDeviceGetCount(&raw mut count) })?;
    let gpu = |index| {
        let (mut device, mut name, mut memory) = (0, [0 as c_char; 256], 0);
        let (mut major, mut minor) = (0, 0);
        #[expect(unsafe_code, reason = "plain calls of the driver, with places for its answers")]
        unsafe {
            check("a device", driver::cuDeviceGet(&raw mut device, index))?;
            check("a device's name", driver::cuDeviceGetName(name.as_mut_ptr(), 255, device))?;
            check("a device's memory", driver::cuDeviceTotalMem_v2(&raw mut memory, device))?;
            let capability = [
                (&raw mut major, Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
                (&raw mut minor, Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
            ];
            for (place, attribute) in capability {
                check("a device's capability", driver::cuDeviceGetAttribute(place, attribute, device))?;
            }
        }
        let name: Vec<u8> = name.iter().map(|&c| c as u8).take_while(|&c| c != 0).collect();
        Ok(Gpu {
            name: String::from_utf8_lossy(&name).into_owned(),
            memory: memory as u64,
            capability: (major as u32, minor as u32),
            problem: None,
        })
    };
    (0..count).map(gpu).collect()
}

/// Where a toolkit may be, as `cubecl-cuda` looks for it.
fn toolkit() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CUDA_PATH") {
        return Some(PathBuf::from(path));
    }
    let places =
        [("/usr/local/cuda", "/usr/local/cuda"), ("/opt/cuda", "/opt/cuda"), ("/usr/bin/nvcc", "/usr")];
    places.iter().find(|(sign, _)| Path::new(sign).exists()).map(|(_, root)| PathBuf::from(root))
}

/// Loads NVRTC: from where libraries are looked for, else from the toolkit's directories. There it is loaded by
/// its path; who asks for it by its name afterwards gets the same one.
fn compiler_version() -> Result<Version, String> {
    #[expect(unsafe_code, reason = "loads the library, whose initialiser is NVIDIA's to answer for")]
    let present = || unsafe { nvrtc::is_culib_present() };
    if !present() {
        toolkit().into_iter().for_each(|toolkit| load_compiler(&toolkit));
    }
    if !present() {
        return Err("NVRTC (libnvrtc.so.12 or .13) is missing; install the CUDA toolkit's runtime compiler \
                    (package cuda-nvrtc), or set CUDA_PATH or LD_LIBRARY_PATH to where it is"
            .into());
    }
    let (mut major, mut minor) = (0, 0);
    #[expect(unsafe_code, reason = "a plain call of NVRTC, with places for its answer")]
    match unsafe { nvrtc::nvrtcVersion(&raw mut major, &raw mut minor) } {
        nvrtc::nvrtcResult::NVRTC_SUCCESS => Ok(Version(major.unsigned_abs(), minor.unsigned_abs())),
        error => Err(format!("NVRTC does not report its version: {error:?}")),
    }
}

fn load_compiler(toolkit: &Path) {
    for directory in ["lib64", "lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib"] {
        let entries = std::fs::read_dir(toolkit.join(directory)).into_iter().flatten().flatten();
        let is_compiler = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            name.is_some_and(|name| name.starts_with("libnvrtc.so"))
        };
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_compiler).collect();
        files.sort();
        for file in files {
            #[expect(unsafe_code, reason = "loads the library, whose initialiser is NVIDIA's to answer for")]
            if let Ok(library) = unsafe { Library::new(file) } {
                // It must stay for as long as the program runs.
                std::mem::forget(library);
                return;
            }
        }
    }
}

/// The directory of the toolkit's headers.
fn headers() -> Result<PathBuf, String> {
    let how = "install the CUDA toolkit's headers (package cuda-cudart-dev), or set CUDA_PATH to the directory \
               whose `include` has them";
    let Some(toolkit) = toolkit() else {
        return Err(format!("the CUDA headers are missing: there is no toolkit in /usr/local/cuda; {how}"));
    };
    let include = toolkit.join("include");
    match HEADERS.iter().map(|header| include.join(header)).find(|header| !header.exists()) {
        Some(missing) => Err(format!("the CUDA header {} is missing; {how}", missing.display())),
        None => Ok(include),
    }
}

/// The compute capabilities that NVRTC compiles for, as 10 * major + minor; empty where it does not report.
fn known_architectures() -> Vec<u32> {
    let mut count = 0;
    #[expect(unsafe_code, reason = "plain calls of NVRTC, with places for its answers")]
    unsafe {
        if nvrtc::nvrtcGetNumSupportedArchs(&raw mut count) != nvrtc::nvrtcResult::NVRTC_SUCCESS {
            return Vec::new();
        }
        let mut known = vec![0; usize::try_from(count).unwrap_or(0)];
        match nvrtc::nvrtcGetSupportedArchs(known.as_mut_ptr()) {
            nvrtc::nvrtcResult::NVRTC_SUCCESS => known.into_iter().map(c_int::unsigned_abs).collect(),
            _ => Vec::new(),
        }
    }
}

/// Whether NVRTC compiles a kernel that includes what Burn's kernels include, with CubeCL's options.
fn compile_probe((major, minor): (u32, u32), include: &Path) -> Result<(), String> {
    let includes: String = HEADERS.iter().map(|header| format!("#include <{header}>\n")).collect();
    let source = format!("{includes}extern \"C\" __global__ void probe() {{}}\n");
    let suffix = if major >= 9 { "a" } else { "" };
    let options = [
        format!("--gpu-architecture=sm_{major}{minor}{suffix}"),
        format!("--include-path={}", include.display()),
        format!("--include-path={}", include.join("cccl").display()),
    ];
    let failed =
        |what: &str| format!("NVRTC cannot compile with the headers of {}: {what}", include.display());
    let source = CString::new(source).map_err(|error| failed(&error.to_string()))?;
    let program = compiler::create_program(&source, None).map_err(|error| failed(&format!("{error:?}")))?;
    #[expect(unsafe_code, reason = "the program is the one that NVRTC just gave, and is given back once")]
    unsafe {
        let compiled = compiler::compile_program(program, &options);
        let log = compiler::get_program_log(program);
        let _ = compiler::destroy_program(program);
        compiled.map_err(|error| failed(&first_error(log.ok().as_deref()).unwrap_or(format!("{error:?}"))))
    }
}

/// The first line of a compiler's log that names an error.
fn first_error(log: Option<&[c_char]>) -> Option<String> {
    let bytes: Vec<u8> = log?.iter().map(|&c| c as u8).chain([0]).collect();
    let text = CStr::from_bytes_until_nul(&bytes).ok()?.to_string_lossy().into_owned();
    let line = text.lines().find(|line| line.contains("error")).or(text.lines().next())?;
    Some(line.trim().to_owned())
}
