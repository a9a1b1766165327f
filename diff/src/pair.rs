//! Both chains side by side: what is asked again and again while events are compared.

use crate::chain::{Chain, DiffError, Frames, Raw};
use crate::event::diff_events;
use crate::ignore::Ignore;
use crate::outline::EventAt;
use crate::shape::{Names, Outward, Shape, Shapes};
use crate::value::Differences;

/// The two chains of a comparison, the expected one first.
pub(crate) struct Pair<'a> {
    pub(crate) chains: [Chain<'a>; 2],
    frames: [Frames<'a>; 2],
    names: [Names<'a>; 2],
    shapes: Shapes,
    ignore: &'a Ignore,
    /// Whether values are left out.
    shape_only: bool,
    /// How many differences to list for one pair of events.
    most: usize,
    /// How many events of each were left out so far.
    pub(crate) left_out: [u64; 2],
    /// The positions after those that were.
    left_out_up_to: [usize; 2],
}

/// Whether two events are the same.
pub(crate) enum Sameness {
    Same,
    /// About the same, but with other values.
    Values(Differences),
    /// About something else.
    Other,
}

impl<'a> Pair<'a> {
    pub(crate) fn new(
        chains: [Chain<'a>; 2],
        ignore: &'a Ignore,
        shape_only: bool,
        most: usize,
    ) -> Pair<'a> {
        let mut shapes = Shapes::default();
        let names = chains.map(|chain| shapes.names(chain.outline));
        let frames = chains.map(Frames::new);
        Pair {
            chains,
            frames,
            names,
            shapes,
            ignore,
            shape_only,
            most,
            left_out: [0; 2],
            left_out_up_to: [0; 2],
        }
    }

    pub(crate) fn len(&self, side: usize) -> usize {
        self.chains[side].outline.len()
    }

    /// The first position from `position` on whose event takes part, if there is one.
    pub(crate) fn next(
        &mut self,
        side: usize,
        position: usize,
    ) -> Result<Option<usize>, DiffError> {
        if !self.ignore.leaves_out_events() {
            return Ok((position < self.len(side)).then_some(position));
        }
        for position in position..self.len(side) {
            if !self.outward(side, position)?.is_left_out {
                return Ok(Some(position));
            }
            // The alignment may come by a second time.
            if position >= self.left_out_up_to[side] {
                self.left_out[side] += 1;
                self.left_out_up_to[side] = position + 1;
            }
        }
        Ok(None)
    }

    fn outward(&mut self, side: usize, position: usize) -> Result<Outward, DiffError> {
        let raw = self.frames[side].event(position)?;
        Ok(self.shapes.of(&raw, &mut self.names[side], self.ignore))
    }

    /// The shape of an event, and a number that is equal for equal values of it.
    pub(crate) fn keys(&mut self, side: usize, position: usize) -> Result<(Shape, u64), DiffError> {
        let raw = self.frames[side].event(position)?;
        let shape = self.shapes.of(&raw, &mut self.names[side], self.ignore).shape;
        Ok((shape, if self.shape_only { 0 } else { raw.fingerprint() }))
    }

    pub(crate) fn compare(&mut self, positions: [usize; 2]) -> Result<Sameness, DiffError> {
        let [frames, actual_frames] = &mut self.frames;
        let [names, actual_names] = &mut self.names;
        let raw = frames.event(positions[0])?;
        let actual = actual_frames.event(positions[1])?;
        let shape = self.shapes.of(&raw, names, self.ignore).shape;
        if shape != self.shapes.of(&actual, actual_names, self.ignore).shape {
            return Ok(Sameness::Other);
        }
        if self.shape_only || is_same(&raw, &actual, names, actual_names) {
            return Ok(Sameness::Same);
        }
        let differences = diff_events(self.chains, [&raw, &actual], self.ignore, self.most)?;
        Ok(if differences.is_empty() { Sameness::Same } else { Sameness::Values(differences) })
    }

    /// The hash of the record before, as the event in this position states it.
    pub(crate) fn link(&mut self, side: usize, position: usize) -> Result<[u8; 32], DiffError> {
        Ok(*self.frames[side].event(position)?.frame.prev())
    }

    pub(crate) fn event_at(&mut self, side: usize, position: usize) -> Result<EventAt, DiffError> {
        let raw = self.frames[side].event(position)?;
        Ok(EventAt { position, seq: raw.seq, offset: raw.offset })
    }
}

/// Whether two events of one shape are the same byte for byte, which most are.
fn is_same(x: &Raw<'_>, y: &Raw<'_>, names: &Names<'_>, actual_names: &Names<'_>) -> bool {
    match (x.call(), y.call()) {
        (Some((id, values)), Some((actual_id, actual_values))) => {
            values == actual_values && names.agree(id, actual_names, actual_id)
        }
        _ => false,
    }
}
