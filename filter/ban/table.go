package ban

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"
)

var (
	errDuration = errors.New("the duration of a ban must be above 0 and at most 10 years")
	errNoPrefix = errors.New("not a valid address or range")
)

// shards is the number of parts of the ledger; a write copies one part.
const shards = 4096

// An entry is a ban as look-ups read it; it never changes.
type entry struct {
	Ban
	until int64 // Unix nanoseconds
}

// A shard is a map that is replaced whole by each write, so that readers need no
// lock.
type shard struct {
	bans atomic.Pointer[map[netip.Prefix]*entry]
}

func (s *shard) load() map[netip.Prefix]*entry {
	if m := s.bans.Load(); m != nil {
		return *m
	}
	return nil
}

// lengths are the prefix lengths that have entries: their counts, for writers, and
// a bit for each that is not 0, for readers.
type lengths struct {
	count4 [33]int
	count6 [129]int
	bits4  atomic.Uint64
	bits6  [3]atomic.Uint64
}

func (n *lengths) add(p netip.Prefix, by int) {
	b := p.Bits()
	count, word := &n.count4[min(b, 32)], &n.bits4
	if !p.Addr().Is4() {
		count, word = &n.count6[b], &n.bits6[b/64]
	}
	*count += by
	if bit := uint64(1) << (b % 64); *count > 0 {
		word.Or(bit)
	} else {
		word.And(^bit)
	}
}

func (l *Ledger) init() {
	l.seed = [2]uint64{rand.Uint64(), rand.Uint64() | 1}
}

// normal is the form in which a range is in the ledger.
func normal(p netip.Prefix) (netip.Prefix, error) {
	if !p.IsValid() {
		return p, errNoPrefix
	}
	addr := p.Addr().WithZone("")
	if addr.Is4In6() {
		if p.Bits() < 96 {
			return p, errors.New("a range of IPv4-mapped addresses is shorter than /96")
		}
		return netip.PrefixFrom(addr.Unmap(), p.Bits()-96).Masked(), nil
	}
	return netip.PrefixFrom(addr, p.Bits()).Masked(), nil
}

// lookup walks the lengths in use, the longest first.
func (l *Ledger) lookup(addr netip.Addr, now int64) *entry {
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return l.probe(addr, l.lengths.bits4.Load(), 0, now)
	}
	if !addr.IsValid() {
		return nil
	}
	for word := len(l.lengths.bits6) - 1; word >= 0; word-- {
		if e := l.probe(addr, l.lengths.bits6[word].Load(), 64*word, now); e != nil {
			return e
		}
	}
	return nil
}

func (l *Ledger) probe(addr netip.Addr, set uint64, offset int, now int64) *entry {
	for set != 0 {
		b := bits.Len64(set) - 1
		set &^= 1 << b
		p, err := addr.Prefix(offset + b)
		if err != nil {
			continue
		}
		if e := l.get(p); e != nil && now < e.until {
			return e
		}
	}
	return nil
}

func (l *Ledger) get(p netip.Prefix) *entry { return l.shards[l.shardOf(p)].load()[p] }

// shardOf spreads the ranges by a keyed multiplication: who chooses the addresses
// does not choose the shard.
func (l *Ledger) shardOf(p netip.Prefix) int {
	a := p.Addr().As16()
	x := binary.BigEndian.Uint64(a[:8]) ^ l.seed[0] + uint64(p.Bits())
	y := binary.BigEndian.Uint64(a[8:]) ^ l.seed[1]
	high, low := bits.Mul64(x|1, y)
	return int((high ^ low) * 0x9E3779B97F4A7C15 >> 52 % shards)
}

// set enters a ban, in a copy of its shard without what has ended.
func (l *Ledger) set(b Ban, now time.Time) {
	at := l.shardOf(b.Prefix)
	if l.get(b.Prefix) == nil && l.count.Load() >= l.max.Load() {
		l.evict(at, now.UnixNano())
	}
	l.replace(at, now.UnixNano(), &entry{Ban: b, until: b.Until.UnixNano()}, netip.Prefix{})
	l.changes.Add(1) // afterwards: who saw it before has not saved this
}

func (l *Ledger) delete(p netip.Prefix, now time.Time) bool {
	e := l.get(p)
	if e == nil {
		return false
	}
	l.replace(l.shardOf(p), now.UnixNano(), nil, p)
	l.changes.Add(1)
	return now.UnixNano() < e.until
}

func (l *Ledger) sweepShard(at int, now int64) {
	for _, e := range l.shards[at].load() {
		if e.until <= now {
			l.replace(at, now, nil, netip.Prefix{})
			return
		}
	}
}

// replace writes a shard anew: without ended bans and the range dropped, with the
// entry added.
func (l *Ledger) replace(at int, now int64, add *entry, drop netip.Prefix) {
	old := l.shards[at].load()
	fresh := make(map[netip.Prefix]*entry, len(old)+1)
	for p, e := range old {
		if e.until > now && p != drop {
			fresh[p] = e
		}
	}
	if add != nil {
		fresh[add.Prefix] = add
		l.tally(add, 1)
	}
	l.shards[at].bans.Store(&fresh)
	// Readers may still probe for a length that is gone, never miss one that is there.
	for p, e := range old {
		if fresh[p] != e {
			l.tally(e, -1)
		}
	}
}

func (l *Ledger) tally(e *entry, by int) {
	l.lengths.add(e.Prefix, by)
	l.count.Add(int64(by))
	if e.Automatic {
		l.automatic += by
	}
}

// evict makes room: it drops a ban of the shards from at on, as soon as one has
// any: of those that end first, and none by hand if there are automatic ones.
func (l *Ledger) evict(at int, now int64) {
	for i := range shards {
		s := (at + i) % shards
		l.sweepShard(s, now)
		if l.count.Load() < l.max.Load() {
			return
		}
		var first *entry
		for _, e := range l.shards[s].load() {
			if (e.Automatic || l.automatic == 0) && (first == nil || e.until < first.until) {
				first = e
			}
		}
		if first != nil {
			l.replace(s, now, nil, first.Prefix)
			l.evicted.Add(1)
			return
		}
	}
}
