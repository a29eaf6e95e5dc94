// Package ban keeps the ledger of banned addresses and ranges: who is kept out,
// until when and why.
//
// What is promised:
//   - A look-up takes no lock and allocates nothing: one probe for every prefix
//     length that is banned at all, which with automatic bans is one per address
//     family. A ban counts from the moment Add returns, and no longer than its end:
//     nobody has to sweep for it to end.
//   - The number of bans and of clients that are being counted is bounded.
//   - A ledger outlives the configurations that use it: it is the state that a
//     reload hands on. Options of a policy are not part of it (Policy, Strikes).
//   - It can be written to a file and read back (snapshot.go), and be kept the
//     same on several machines (Observer, Merge).
//
// IPv4 addresses mapped into IPv6 are IPv4 addresses here, and zones are ignored:
// a client cannot escape its ban by how its address is written.
package ban

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Ban is an entry of the ledger.
type Ban struct {
	Prefix netip.Prefix `json:"prefix"` // masked; a single address is a /32 or /128
	From   time.Time    `json:"from"`
	Until  time.Time    `json:"until"` // the first moment at which it does not hold
	Reason string       `json:"reason,omitempty"`

	// Automatic tells a ban that Strikes set from one by hand. Level is 0 for the
	// first of a client, and one more for each repeat.
	Automatic bool `json:"automatic,omitempty"`
	Level     int  `json:"level,omitempty"`
}

// DefaultMaxBans is the number of bans that a ledger holds if nothing is said.
const DefaultMaxBans = 1 << 20

// A Ledger holds bans. Its methods may be called from many goroutines at once.
type Ledger struct {
	shards  [shards]shard
	seed    [2]uint64
	lengths lengths
	count   atomic.Int64 // entries, ended ones among them
	max     atomic.Int64
	changes atomic.Int64

	writing   sync.Mutex // Add, Remove, Sweep and Merge come one after the other
	automatic int        // entries that Strikes set
	history   history
	observer  atomic.Pointer[Observer]
	evicted   atomic.Int64
}

// An Observer is told of every ban that is set or lifted here (not of what Merge
// brings), in their order. It is called with the ledger's lock held: it must not
// block nor call the ledger.
type Observer interface {
	Banned(Ban)
	Lifted(netip.Prefix, time.Time)
}

// New makes an empty ledger of at most maxBans; 0 is DefaultMaxBans.
func New(maxBans int) *Ledger {
	l := new(Ledger)
	l.SetMax(maxBans)
	l.init()
	return l
}

// SetMax changes the number of bans that the ledger holds; 0 is DefaultMaxBans.
// Bans that are there already stay.
func (l *Ledger) SetMax(maxBans int) {
	if maxBans <= 0 {
		maxBans = DefaultMaxBans
	}
	l.max.Store(int64(maxBans))
}

// Changes counts what was set, lifted or merged, so that a caller sees whether
// there is something new to save. Bans that ended by themselves do not count.
func (l *Ledger) Changes() int64 { return l.changes.Load() }

// Observe sets the observer; nil is none.
func (l *Ledger) Observe(o Observer) {
	if o == nil {
		l.observer.Store(nil)
		return
	}
	l.observer.Store(&o)
}

// Lookup returns a ban that holds for an address now; of several the one of the
// narrowest range.
func (l *Ledger) Lookup(addr netip.Addr, now time.Time) (Ban, bool) {
	if l.count.Load() == 0 {
		return Ban{}, false
	}
	if e := l.lookup(addr, now.UnixNano()); e != nil {
		return e.Ban, true
	}
	return Ban{}, false
}

// Add bans a range for a duration, by hand: a ban of exactly the same range is
// replaced, longer or shorter. It returns the ban as it stands in the ledger, or
// an error if the range is none, or the duration is not above 0 or over 10 years.
func (l *Ledger) Add(prefix netip.Prefix, d time.Duration, reason string, now time.Time) (Ban, error) {
	p, err := normal(prefix)
	if err != nil {
		return Ban{}, err
	}
	b := Ban{Prefix: p, From: wall(now), Until: wall(now).Add(d), Reason: reason}
	if d <= 0 || d > maxBan {
		return b, errDuration
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	l.set(b, now)
	l.tell(func(o Observer) { o.Banned(b) })
	return b, nil
}

// Remove lifts the ban of exactly this range, and forgets its repeats. It reports
// whether there was one.
func (l *Ledger) Remove(prefix netip.Prefix, now time.Time) bool {
	p, err := normal(prefix)
	if err != nil {
		return false
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	l.history.forget(p)
	found := l.delete(p, now)
	// Others may hold a ban that this ledger has not heard of yet.
	l.tell(func(o Observer) { o.Lifted(p, wall(now)) })
	return found
}

func (l *Ledger) tell(f func(Observer)) {
	if o := l.observer.Load(); o != nil {
		f(*o)
	}
}

// List returns the bans that hold now, those that end first first.
func (l *Ledger) List(now time.Time) []Ban {
	var all []Ban
	ns := now.UnixNano()
	for i := range l.shards {
		for _, e := range l.shards[i].load() {
			if ns < e.until {
				all = append(all, e.Ban)
			}
		}
	}
	slices.SortFunc(all, func(a, b Ban) int {
		return cmp.Or(a.Until.Compare(b.Until), a.Prefix.Compare(b.Prefix))
	})
	return all
}

// Len is the number of entries; bans that have ended count until they are swept.
func (l *Ledger) Len() int { return int(l.count.Load()) }

// Evicted is the number of bans that were dropped before their end, because the
// ledger was full.
func (l *Ledger) Evicted() int64 { return l.evicted.Load() }

// Sweep drops bans that have ended. The ledger does so by itself while it is
// written to; a caller may, now and then, to have the memory back sooner.
func (l *Ledger) Sweep(now time.Time) {
	l.writing.Lock()
	defer l.writing.Unlock()
	for i := range l.shards {
		l.sweepShard(i, now.UnixNano())
	}
	l.history.sweep(now)
}

// Merge takes over a ban that was set elsewhere. Of two bans of the same range
// the one that was set later counts. It reports whether the ledger changed.
func (l *Ledger) Merge(b Ban, now time.Time) bool {
	p, err := normal(b.Prefix)
	if err != nil || !b.Until.After(now) {
		return false
	}
	b.Prefix = p
	l.writing.Lock()
	defer l.writing.Unlock()
	if e := l.get(p); e != nil && !e.From.Before(b.From) {
		return false
	}
	l.set(b, now)
	l.history.note(b, now)
	return true
}

// MergeLifted lifts what was lifted elsewhere at a time, unless it was banned
// again since.
func (l *Ledger) MergeLifted(prefix netip.Prefix, at, now time.Time) bool {
	p, err := normal(prefix)
	if err != nil {
		return false
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	if e := l.get(p); e == nil || e.From.After(at) {
		return false
	}
	l.history.forget(p)
	return l.delete(p, now)
}

// wall drops the monotonic reading: ends of bans are moments of the calendar,
// they are written to files and compared with those of other machines.
func wall(t time.Time) time.Time { return t.Round(0).UTC() }
