//! Blocks on their way and blocks that just arrived.
//!
//! Of the threads that want a block at the same time one fetches it, and the others wait for it.
//! The last blocks stay in memory, so that prefetched ones serve the reads that follow even
//! without a disk cache.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::fault::Fault;

/// An object's key in the cache and the number of a block of it.
pub(crate) type BlockId = ([u8; 32], u64);

pub(crate) type Block = Arc<[u8]>;

/// How many blocks stay in memory: 64 MiB.
pub(crate) const RECENT_BLOCKS: usize = 64;

/// One block on its way.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    outcome: Mutex<Option<Result<Block, Fault>>>,
    landed: Condvar,
}

/// All blocks of one connection.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<Traffic>);

#[derive(Debug, Default)]
struct Traffic {
    aloft: BTreeMap<BlockId, Arc<Flight>>,
    recent: VecDeque<(BlockId, Block)>,
}

/// The duty to bring adjacent blocks down; those not brought down when it is dropped fail, so
/// that nobody waits for ever.
#[derive(Debug)]
pub(crate) struct Crew {
    flights: Arc<Flights>,
    object: [u8; 32],
    /// The blocks still aloft.
    pub blocks: Range<u64>,
}

impl Flight {
    /// Waits for the block.
    pub(crate) fn wait(&self) -> Result<Block, Fault> {
        let mut outcome = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(outcome) = &*outcome {
                return outcome.clone();
            }
            outcome = self.landed.wait(outcome).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn land(&self, outcome: Result<Block, Fault>) {
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        self.landed.notify_all();
    }
}

impl Flights {
    /// A block that arrived lately.
    pub(crate) fn recent(&self, id: BlockId) -> Option<Block> {
        let mut traffic = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        traffic.recent(id)
    }

    /// A flight for each of `blocks` of `object`, in order, and the crews that the caller must
    /// set to work: one for each run of blocks that were not on their way.
    pub(crate) fn board(
        self: &Arc<Self>,
        object: [u8; 32],
        blocks: Range<u64>,
    ) -> (Vec<Arc<Flight>>, Vec<Crew>) {
        let mut traffic = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut flights, mut crews) = (Vec::new(), Vec::<Crew>::new());
        for number in blocks {
            let id = (object, number);
            // The block may have arrived since the caller looked.
            if let Some(block) = traffic.recent(id) {
                let flight = Flight::default();
                flight.land(Ok(block));
                flights.push(Arc::new(flight));
                continue;
            }
            if let Some(flight) = traffic.aloft.get(&id) {
                flights.push(flight.clone());
                continue;
            }
            let flight = Arc::new(Flight::default());
            traffic.aloft.insert(id, flight.clone());
            flights.push(flight);
            match crews.last_mut() {
                Some(crew) if crew.blocks.end == number => crew.blocks.end += 1,
                _ => crews.push(Crew { flights: self.clone(), object, blocks: number..number + 1 }),
            }
        }
        (flights, crews)
    }
}

impl Traffic {
    fn recent(&mut self, id: BlockId) -> Option<Block> {
        let place = self.recent.iter().position(|(recent, _)| *recent == id)?;
        let entry = self.recent.remove(place)?;
        let block = entry.1.clone();
        self.recent.push_back(entry);
        Some(block)
    }
}

impl Crew {
    /// Brings down the next block.
    pub(crate) fn land(&mut self, outcome: Result<Block, Fault>) {
        let id = (self.object, self.blocks.start);
        self.blocks.start += 1;
        let mut traffic = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        let flight = traffic.aloft.remove(&id);
        if let Ok(block) = &outcome {
            if traffic.recent.len() == RECENT_BLOCKS {
                traffic.recent.pop_front();
            }
            traffic.recent.push_back((id, block.clone()));
        }
        drop(traffic);
        if let Some(flight) = flight {
            flight.land(outcome);
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        while !self.blocks.is_empty() {
            self.land(Err(Fault::Closed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: [u8; 32] = [7; 32];

    fn block(number: u64) -> Block {
        number.to_le_bytes().into()
    }

    #[test]
    fn a_block_on_its_way_is_not_fetched_again() {
        let flights = Arc::new(Flights::default());
        let (_, mut first) = flights.board(OBJECT, 2..4);
        let (waiting, second) = flights.board(OBJECT, 1..6);
        assert_eq!(first[0].blocks, 2..4);
        assert_eq!(second.iter().map(|crew| crew.blocks.clone()).collect::<Vec<_>>(), [1..2, 4..6]);
        first[0].land(Ok(block(2)));
        assert_eq!(waiting[1].wait(), Ok(block(2)));
        let (arrived, none) = flights.board(OBJECT, 2..3);
        assert!(none.is_empty());
        assert_eq!(arrived[0].wait(), Ok(block(2)));
    }

    #[test]
    fn an_abandoned_flight_fails_and_the_next_one_starts_anew() {
        let flights = Arc::new(Flights::default());
        let (waiting, crews) = flights.board(OBJECT, 0..2);
        drop(crews);
        assert_eq!(waiting[1].wait(), Err(Fault::Closed));
        assert_eq!(flights.recent((OBJECT, 1)), None);
        assert_eq!(flights.board(OBJECT, 0..2).1.len(), 1);
    }

    #[test]
    fn the_blocks_used_last_stay_in_memory() {
        let flights = Arc::new(Flights::default());
        let land = |number| flights.board(OBJECT, number..number + 1).1[0].land(Ok(block(number)));
        (0..RECENT_BLOCKS as u64).for_each(land);
        assert_eq!(flights.recent((OBJECT, 0)), Some(block(0)));
        land(1000);
        assert_eq!(flights.recent((OBJECT, 0)), Some(block(0)));
        assert_eq!(flights.recent((OBJECT, 1)), None);
    }
}
