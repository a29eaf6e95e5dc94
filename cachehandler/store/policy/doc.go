// Package policy decides which objects a tier gives up when it is over its
// budget of bytes.
//
// [CAMP] ranks objects by how often they were asked for, per byte: with few
// bytes spent on each hit, most requests hit. It is Greedy-Dual-Size-Frequency,
// made cheap as the CAMP algorithm does it and then cheaper still:
//
//	rank = inflation + weight(frequency) / size
//
// The object of the lowest rank goes, and inflation becomes its rank. So
// everything that is filed later ranks higher, and what was popular once and is
// no longer asked for is overtaken and goes in its turn.
//
//   - The ratio is rounded to a few leading bits. All entries of one rounded
//     ratio are a queue, in which the order of filing is the order of ranks:
//     the lowest rank of all is at the head of one of at most a few dozen
//     queues. There is no heap.
//   - A hit only counts, on a [Counter]: no lock, no list. Whoever evicts looks
//     at the counter of the entry whose turn it is, and files it anew if it was
//     hit since.
//   - What nobody ever hit weighs half: a flood of objects that are asked for
//     once must not wash out what is asked for again.
//   - The frequency of what had to go is remembered for a while (8 bytes an
//     object). Otherwise a large object in a stream of small ones would start
//     anew each time and never stay.
//   - Frequencies are bounded, so that it does not take long to be overtaken.
//
// The tests compare it with exact Greedy-Dual-Size-Frequency and with LRU.
//
// Everything here is pure computing on memory: no clock, no randomness, no
// goroutine.
package policy
