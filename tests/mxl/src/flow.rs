//! A flow in its files.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use serde_json::Value;

use crate::files::Mapped;

/// Bytes of `data`: the info, the inode, and a counter.
const DATA_BYTES: usize = 2048 + 16;
/// Where the head's index is in `data`.
const HEAD: usize = 8 + 192;
/// Bytes of a grain's file before its payload.
pub(crate) const GRAIN_HEAD: usize = 8192;
const HISTORY_MS: u64 = 200;

/// What a definition says.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// Bytes of a grain, slices, grains of the ring.
    Grains(u32, u16, u32),
    /// Channels, and samples of each.
    Samples(u32, u32),
}

pub(crate) struct Flow {
    folder: PathBuf,
    data: Mapped,
    grains: Vec<Mapped>,
    channels: Option<Mapped>,
    pub(crate) shape: Shape,
}

/// What the head of `data` has of a definition, as words: rate, sizes.
pub(crate) struct Described {
    pub(crate) id: String,
    format: u32,
    rate: [i64; 2],
    shape: Shape,
}

impl Described {
    pub(crate) fn of(text: &str) -> Option<Self> {
        let definition: Value = serde_json::from_str(text).ok()?;
        let number = |it: &Value| it.as_u64().filter(|it| *it > 0);
        let id = definition["id"].as_str()?.to_owned();
        let hints = &definition["tags"]["urn:x-nmos:tag:grouphint/v1.0"];
        let hint = hints[0].as_str()?;
        let is_labelled = definition["label"]
            .as_str()
            .is_some_and(|it| !it.is_empty());
        if !is_labelled || !(2..=3).contains(&hint.split(':').count()) {
            return None;
        }
        let rate = |name: &str| {
            let many = number(&definition[name]["numerator"])?;
            Some([many, number(&definition[name]["denominator"]).unwrap_or(1)])
        };
        let small = |it: u64| u32::try_from(it).ok();
        let ring = |[many, seconds]: [u64; 2]| small(HISTORY_MS * many / (1000 * seconds));
        let of = |format, rate: [u64; 2], shape| {
            let rate = [i64::try_from(rate[0]).ok()?, i64::try_from(rate[1]).ok()?];
            Some(Self {
                id,
                format,
                rate,
                shape,
            })
        };
        match definition["media_type"].as_str()? {
            kind @ ("video/v210" | "video/v210a") => {
                let mut rate = rate("grain_rate")?;
                let width = number(&definition["frame_width"])?;
                let mut lines = number(&definition["frame_height"])?;
                if definition["interlace_mode"]
                    .as_str()
                    .is_some_and(|it| it != "progressive")
                {
                    (rate[0], lines) = (rate[0] * 2, lines / 2);
                }
                let key = if kind == "video/v210a" {
                    width.div_ceil(3) * 4
                } else {
                    0
                };
                let bytes = small((width.div_ceil(48) * 128 + key) * lines)?;
                of(
                    1,
                    rate,
                    Shape::Grains(bytes, u16::try_from(lines).ok()?, ring(rate)?),
                )
            }
            "audio/float32" => {
                let rate = rate("sample_rate")?;
                let samples =
                    small((2 * HISTORY_MS * rate[0] / (1000 * rate[1])).next_multiple_of(1024))?;
                of(
                    2,
                    rate,
                    Shape::Samples(small(number(&definition["channel_count"])?)?, samples),
                )
            }
            "video/smpte291" => {
                let rate = rate("grain_rate")?;
                of(3, rate, Shape::Grains(4096, 4096, ring(rate)?))
            }
            _ => None,
        }
    }
}

fn file(folder: &Path, index: u32) -> PathBuf {
    folder.join("grains").join(format!("data.{index}"))
}

impl Flow {
    pub(crate) fn folder(domain: &Path, id: &str) -> PathBuf {
        domain.join(format!("{id}.mxl-flow"))
    }

    /// Makes the flow, or opens the one that is there. `true`: made.
    pub(crate) fn create(
        domain: &Path,
        text: &str,
        described: &Described,
    ) -> io::Result<(Self, bool)> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let making = domain.join(format!(".mxl-tmp-{}-{next}", std::process::id()));
        let folder = Self::folder(domain, &described.id);
        let made = Self::make(&making, text, described).and_then(|flow| {
            match fs::rename(&making, &folder) {
                Ok(()) => Ok(Some(Self {
                    folder: folder.clone(),
                    ..flow
                })),
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(None),
                Err(error) => Err(error),
            }
        });
        if !matches!(made, Ok(Some(_))) {
            fs::remove_dir_all(&making)?;
        }
        match made? {
            Some(flow) => Ok((flow, true)),
            None => Ok((Self::open(&folder, true)?, false)),
        }
    }

    fn make(folder: &Path, text: &str, described: &Described) -> io::Result<Self> {
        fs::create_dir(folder)?;
        fs::write(folder.join("flow_def.json"), text)?;
        fs::write(folder.join("access"), "")?;
        let data = Mapped::create(&folder.join("data"), DATA_BYTES)?;
        let mut flow = Self {
            folder: folder.to_owned(),
            data,
            grains: Vec::new(),
            channels: None,
            shape: described.shape,
        };
        let id =
            u128::from_str_radix(&described.id.replace('-', ""), 16).map_err(io::Error::other)?;
        let inode = fs::metadata(folder.join("data"))?.ino();
        let words = match described.shape {
            Shape::Grains(bytes, slices, grains) => {
                fs::create_dir(folder.join("grains"))?;
                for index in 0..grains {
                    let grain = Mapped::create(&file(folder, index), GRAIN_HEAD + bytes as usize)?;
                    write(&grain, 0, &[1, 4096]);
                    write(&grain, 20, &[bytes, u32::from(slices)]);
                    flow.grains.push(grain);
                }
                [bytes / u32::from(slices), 0, 0, 0, grains]
            }
            Shape::Samples(channels, samples) => {
                let bytes = channels as usize * samples as usize * 4;
                flow.channels = Some(Mapped::create(&folder.join("channels"), bytes)?);
                [channels, samples, 0, 0, 0]
            }
        };
        let [many, seconds] = described.rate.map(|it| {
            let [a, b, c, d, e, f, g, h] = it.to_le_bytes();
            [
                u32::from_le_bytes([a, b, c, d]),
                u32::from_le_bytes([e, f, g, h]),
            ]
        });
        write(&flow.data, 0, &[1, 2048]);
        for (at, bytes) in id.to_be_bytes().chunks_exact(4).enumerate() {
            write(
                &flow.data,
                8 + 4 * at,
                &[u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])],
            );
        }
        write(
            &flow.data,
            24,
            &[
                described.format,
                0,
                many[0],
                many[1],
                seconds[0],
                seconds[1],
                1,
                1,
                0,
                u32::MAX,
            ],
        );
        write(&flow.data, 8 + 128, &words);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are written")]
        write(&flow.data, 2048, &[inode as u32, (inode >> 32) as u32]);
        Ok(flow)
    }

    pub(crate) fn open(folder: &Path, is_writer: bool) -> io::Result<Self> {
        let data = Mapped::open(&folder.join("data"), is_writer)?;
        let word = |at| read(&data, at).ok_or(io::ErrorKind::InvalidData);
        let [a, b, grains] = [word(8 + 128)?, word(8 + 132)?, word(8 + 144)?];
        let mut flow = Self {
            folder: folder.to_owned(),
            shape: Shape::Samples(a, b),
            grains: Vec::new(),
            channels: None,
            data,
        };
        if read(&flow.data, 24) == Some(2) {
            flow.channels = Some(Mapped::open(&folder.join("channels"), is_writer)?);
            return Ok(flow);
        }
        for index in 0..grains {
            flow.grains
                .push(Mapped::open(&file(folder, index), is_writer)?);
        }
        let first = flow.grains.first().ok_or(io::ErrorKind::InvalidData)?;
        let bytes = read(first, 20).ok_or(io::ErrorKind::InvalidData)?;
        flow.shape = Shape::Grains(bytes, 0, grains);
        Ok(flow)
    }

    /// Removes it by its name, if no other writer has it, as the library does.
    pub(crate) fn release(self) {
        if self.data.is_last_writer() {
            let _: io::Result<()> = fs::remove_dir_all(&self.folder);
        }
    }

    /// Whether the flow at the name is this one.
    pub(crate) fn is_valid(&self) -> bool {
        let inode = fs::metadata(self.folder.join("data")).map(|it| it.ino());
        let [low, high] = [2048, 2052].map(|at| u64::from(read(&self.data, at).unwrap_or(0)));
        inode.is_ok_and(|it| it == high << 32 | low)
    }

    pub(crate) fn data(&self) -> &Mapped {
        &self.data
    }

    pub(crate) fn head(&self) -> &AtomicU64 {
        let place = self.data.at(HEAD, 8).expect("data has DATA_BYTES");
        // SAFETY: eight bytes of the mapping, which lives as long as the flow, at a multiple of eight; each process changes
        // them as one.
        unsafe { AtomicU64::from_ptr(place.cast()) }
    }

    pub(crate) fn grain(&self, index: u64) -> Option<&Mapped> {
        let count = self.grains.len() as u64;
        self.grains
            .get(usize::try_from(index.checked_rem(count)?).ok()?)
    }

    pub(crate) fn ring(&self) -> u64 {
        self.grains.len() as u64
    }

    pub(crate) fn channels(&self) -> Option<&Mapped> {
        self.channels.as_ref()
    }
}

fn write(to: &Mapped, offset: usize, words: &[u32]) {
    for (at, word) in words.iter().enumerate() {
        if let Some(place) = to.at(offset + 4 * at, 4) {
            // SAFETY: four bytes of the mapping, which is writable.
            unsafe { place.cast::<u32>().write_unaligned(*word) };
        }
    }
}

fn read(of: &Mapped, offset: usize) -> Option<u32> {
    // SAFETY: four bytes of the mapping.
    Some(unsafe { of.at(offset, 4)?.cast::<u32>().read_unaligned() })
}
