//! The view of frames with audio, which are blocks of samples.

use onair::{AudioFormat as Layout, AudioSample, AudioView, Contents, S24, Status, write_samples};
use pyo3::buffer::{Element, PyBuffer};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView};

use super::add_properties;
use super::viewed::Viewed;
use crate::error::{invalid, raised};
use crate::loan::Loan;
use crate::session::Session;

/// Adds the classes of this view.
pub(crate) fn add_classes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Audio>()?;
    module.add_class::<AudioFormat>()?;
    add_properties::<Audio, AudioFormat>(module.py(), "audio")
}

/// The format of what has samples.
fn format<'a>(py: Python<'_>, contents: &'a Contents) -> PyResult<&'a Layout> {
    match contents {
        Contents::Audio(format) => Ok(format),
        _ => Err(invalid(py, "the session carries no audio")),
    }
}

/// The format of a session's audio.
#[pyclass(frozen, module = "onair")]
pub(crate) struct AudioFormat(Layout);

#[pymethods]
impl AudioFormat {
    #[new]
    fn new(session: &Bound<'_, Session>) -> PyResult<Self> {
        let format = format(session.py(), session.get().layout())?;
        Ok(Self(format.clone()))
    }

    /// "L16", "L24" or "AM824".
    #[getter]
    fn coding(&self) -> &'static str {
        self.0.coding().as_str()
    }

    /// Samples a second of each channel.
    #[getter]
    fn sample_rate(&self) -> u32 {
        self.0.sample_rate()
    }

    #[getter]
    fn channels(&self) -> u32 {
        self.0.channels()
    }

    /// As in SDP, such as "SMPTE2110.(51,ST)".
    #[getter]
    fn channel_order(&self) -> Option<String> {
        self.0.order().map(ToString::to_string)
    }

    /// Samples of each channel in a frame.
    #[getter]
    fn block_samples(&self) -> u32 {
        self.0.block_samples()
    }

    fn __repr__(&self) -> String {
        format!("<onair.AudioFormat {}>", self.0)
    }
}

/// A type of samples, by its name.
#[derive(Clone, Copy)]
enum Sample {
    S16,
    S24,
    S32,
    F32,
}

impl Sample {
    fn of(py: Python<'_>, name: &str) -> PyResult<Self> {
        match name {
            "s16" => Ok(Self::S16),
            "s24" => Ok(Self::S24),
            "s32" => Ok(Self::S32),
            "f32" => Ok(Self::F32),
            _ => Err(invalid(
                py,
                format_args!("{name:?} are no samples: give s16, s24, s32 or f32"),
            )),
        }
    }

    /// The code of `struct`.
    fn code(self) -> &'static str {
        match self {
            Self::S16 => "h",
            Self::S24 | Self::S32 => "i",
            Self::F32 => "f",
        }
    }
}

/// The view of a frame or unit as a block of samples.
#[pyclass(frozen, module = "onair")]
pub(crate) struct Audio(Viewed);

#[pymethods]
impl Audio {
    #[new]
    fn new(frame: Viewed) -> Self {
        Self(frame)
    }

    /// The session's format.
    #[getter]
    fn format(&self, py: Python<'_>) -> PyResult<AudioFormat> {
        let bytes = self.0.view(py)?;
        format(py, bytes.contents()).cloned().map(AudioFormat)
    }

    /// The samples as on the wire, of shape (samples, channels, bytes of a sample), without a copy.
    #[getter]
    fn wire<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let format = self.format(py)?.0;
        let shape = (
            format.block_samples(),
            format.channels(),
            format.coding().bytes(),
        );
        let whole = PyMemoryView::from(self.0.object(py))?;
        whole.call_method1("cast", ("B", shape))
    }

    /// The samples that did not come, and are silence: the first one, and the one after the last.
    #[getter]
    fn missing_samples(&self) -> Vec<(u32, u32)> {
        match self.0.status() {
            Status::Complete => Vec::new(),
            Status::Incomplete(what) => what.lines().map(|it| (it.start, it.end)).collect(),
        }
    }

    /// The samples as "s16", "s24" (24 bits in an int of 32), "s32" (the upper bits) or "f32" (-1 to 1), in new memory:
    /// of shape (samples, channels), or (channels, samples) with `by_channel`.
    #[pyo3(signature = (sample, *, by_channel=false))]
    fn unpack<'py>(
        &self,
        py: Python<'py>,
        sample: &str,
        by_channel: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let sample = Sample::of(py, sample)?;
        let bytes = self.0.view(py)?;
        let view = AudioView::new(format(py, bytes.contents())?, &bytes);
        let samples = py.detach(|| match sample {
            Sample::S16 => read(&view, by_channel, i16::to_ne_bytes),
            Sample::S24 => read(&view, by_channel, |it: S24| it.0.to_ne_bytes()),
            Sample::S32 => read(&view, by_channel, i32::to_ne_bytes),
            Sample::F32 => read(&view, by_channel, f32::to_ne_bytes),
        });
        let (count, channels) = (view.samples(), view.format().channels() as usize);
        let shape = if by_channel {
            (channels, count)
        } else {
            (count, channels)
        };
        let memory = PyMemoryView::from(&PyBytes::new(py, &samples))?;
        memory.call_method1("cast", (sample.code(), shape))
    }

    /// Send session: fills the frame with samples of all channels in turn, `block_samples * channels` of them: an array of
    /// ints of 16 or 32 bits, or of floats, as `sample` says. Raises `BufferError` while there are views of the frame.
    fn pack(&self, py: Python<'_>, sample: &str, samples: &Bound<'_, PyAny>) -> PyResult<()> {
        match Sample::of(py, sample)? {
            Sample::S16 => self.write(py, samples, |it: i16| it),
            Sample::S24 => self.write(py, samples, S24),
            Sample::S32 => self.write(py, samples, |it: i32| it),
            Sample::F32 => self.write(py, samples, |it: f32| it),
        }
    }
}

impl Audio {
    fn write<T: Element, S: AudioSample + Send + Sync>(
        &self,
        py: Python<'_>,
        samples: &Bound<'_, PyAny>,
        sample: impl Fn(T) -> S,
    ) -> PyResult<()> {
        let format = self.format(py)?.0;
        let samples = PyBuffer::<T>::get(samples)?.to_vec(py)?;
        let wanted = format.block_samples() as usize * format.channels() as usize;
        if samples.len() != wanted {
            let why = format_args!("{} samples, but the block has {wanted}", samples.len());
            return Err(invalid(py, why));
        }
        let samples: Vec<_> = samples.into_iter().map(sample).collect();
        let held = self.0.held(py)?;
        match held.take(py)?.writable() {
            Ok(mut buffer) => {
                py.detach(|| write_samples(&format, &samples, &mut buffer));
                held.keep(Loan::new(buffer.into_buffer()));
                Ok(())
            }
            Err((loan, refused)) => {
                held.keep(loan);
                Err(raised(py, refused))
            }
        }
    }
}

/// All samples, each as `bytes` has it.
fn read<T: AudioSample, const N: usize>(
    view: &AudioView<'_>,
    by_channel: bool,
    bytes: impl Fn(T) -> [u8; N],
) -> Vec<u8> {
    let channels = view.format().channels();
    let mut all = vec![T::of_bits(0); view.samples() * channels as usize];
    if by_channel {
        for (channel, out) in (0..channels).zip(all.chunks_exact_mut(view.samples().max(1))) {
            view.channel(channel, out);
        }
    } else {
        view.interleaved(&mut all);
    }
    all.into_iter().flat_map(bytes).collect()
}
